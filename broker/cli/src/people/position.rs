//! Places in partitions as people name them: which partitions (`orders:0,2-4`), and where in them
//! (`earliest`, `1234`, `-10`, `2026-01-31`, `90m`).

use std::collections::BTreeMap;
use std::str::FromStr;

use millrace_client::{OffsetSpec, TopicPartition, TopicView};

use super::failure::Failure;
use super::session::{Session, partitions_of};
use super::units;

/// Partitions that one selection may name.
const PARTITIONS_MAX: usize = 100_000;

/// A topic, or some of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// The topic.
    pub(crate) topic: String,
    /// Its partitions by number; `None` stands for all.
    pub(crate) partitions: Option<Vec<i32>>,
}

impl FromStr for Selection {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            None if text.is_empty() => Err("a topic has a name".to_owned()),
            None => Ok(Self { topic: text.to_owned(), partitions: None }),
            Some((topic, numbers)) => {
                Ok(Self { topic: topic.to_owned(), partitions: Some(partition_numbers(numbers)?) })
            }
        }
    }
}

impl Selection {
    /// The partitions by name, each of which exists.
    pub(crate) fn of(&self, topic: &TopicView) -> Result<Vec<TopicPartition>, Failure> {
        let all = partitions_of(topic);
        let Some(numbers) = &self.partitions else { return Ok(all) };
        if let Some(missing) = numbers.iter().find(|number| topic.partition(**number).is_none()) {
            let last = all.len().saturating_sub(1);
            return Err(Failure::new(format!("'{}' has no partition {missing}", topic.name))
                .hint(format!("its partitions are 0 to {last}")));
        }
        Ok(all.into_iter().filter(|one| numbers.contains(&one.partition)).collect())
    }
}

/// `0,2-4`: partition numbers, ascending, each once.
pub(crate) fn partition_numbers(text: &str) -> Result<Vec<i32>, String> {
    let refused = || format!("'{text}' names no partitions: try 0,2-4");
    let number = |text: &str| text.trim().parse::<u16>().map(i32::from).map_err(|_| refused());
    let mut numbers = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            None => numbers.push(number(part)?),
            Some((first, last)) => numbers.extend(number(first)?..=number(last)?),
        }
        if numbers.len() > PARTITIONS_MAX {
            return Err(format!("'{text}' names more than {PARTITIONS_MAX} partitions"));
        }
    }
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.is_empty() { Err(refused()) } else { Ok(numbers) }
}

/// A place in a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// The first record there is.
    Earliest,
    /// Behind the last record.
    Latest,
    /// This offset.
    Offset(i64),
    /// So many offsets before the end.
    Last(i64),
    /// The first record at or after this time, in milliseconds since 1970.
    Time(i64),
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text.to_ascii_lowercase().as_str() {
            "earliest" | "beginning" | "start" | "first" => return Ok(Self::Earliest),
            "latest" | "end" | "now" => return Ok(Self::Latest),
            _ => {}
        }
        if let Ok(number) = text.parse::<i64>() {
            let last = number.checked_neg().filter(|last| *last > 0);
            return Ok(last.map_or(Self::Offset(number), Self::Last));
        }
        units::parse_moment(text).map(Self::Time).map_err(|_| {
            format!(
                "'{text}' is no position: try earliest, latest, an offset, -10 (the last ten), a moment \
                 such as 2026-01-31T12:00:00Z or @1769860800000, or 90m (ago)"
            )
        })
    }
}

impl Position {
    /// The offset it stands for in each partition, not beyond what the partition holds. Partitions that
    /// cannot tell (no leader) are left out.
    pub(crate) async fn offsets(
        self,
        session: &Session,
        partitions: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
        let first = session.offsets(partitions, OffsetSpec::Earliest).await?;
        let end = session.offsets(partitions, OffsetSpec::Latest).await?;
        let found = match self {
            Self::Time(ms) => session.offsets(partitions, OffsetSpec::Timestamp(ms)).await?,
            _ => BTreeMap::new(),
        };
        let place = |(partition, first): (TopicPartition, i64)| {
            let end = *end.get(&partition)?;
            let offset = match self {
                Self::Earliest => first,
                Self::Latest => end,
                Self::Offset(offset) => offset,
                Self::Last(count) => end.saturating_sub(count),
                // -1: everything is older.
                Self::Time(_) => found.get(&partition).copied().filter(|offset| *offset >= 0).unwrap_or(end),
            };
            Some((partition, offset.clamp(first, end.max(first))))
        };
        Ok(first.into_iter().filter_map(place).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections() {
        let read = |text: &str| text.parse::<Selection>().map(|one| (one.topic, one.partitions));
        assert_eq!(read("orders"), Ok(("orders".to_owned(), None)));
        assert_eq!(read("orders:4,0,2-3,2"), Ok(("orders".to_owned(), Some(vec![0, 2, 3, 4]))));
        for bad in ["", "orders:", "orders:x", "orders:3-1", "orders:-1", "orders:1-99999999"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn positions() {
        let cases = [
            ("earliest", Position::Earliest),
            ("End", Position::Latest),
            ("0", Position::Offset(0)),
            ("1234", Position::Offset(1234)),
            ("-10", Position::Last(10)),
            ("@1769860800000", Position::Time(1_769_860_800_000)),
            ("2026-01-31T12:00:00Z", Position::Time(1_769_860_800_000)),
        ];
        for (text, position) in cases {
            assert_eq!(text.parse(), Ok(position), "{text}");
        }
        assert!(matches!("90m".parse(), Ok(Position::Time(_))));
        assert!("soon".parse::<Position>().is_err());
    }
}
