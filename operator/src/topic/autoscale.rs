//! How many partitions the load asks for, and whether it has asked for long enough. Pure; times are handed
//! in. Only ever asks for more: partitions cannot be removed.

use std::time::{Duration, Instant};

use super::validate::ValidatedAutoscaling;
use crate::kafka::link::{GroupLag, TopicFigures};

/// A load that is not known for so long is taken to be over.
const UNKNOWN_MAX: Duration = Duration::from_secs(30);

/// What a topic has to bear.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Load {
    /// Bytes a second in, where known.
    pub bytes_in_per_second: Option<f64>,
    /// The group that is furthest behind in the topic, where one is.
    pub lag: Option<GroupLag>,
}

impl Load {
    /// The load in a topic's figures.
    #[must_use]
    pub fn of(figures: &TopicFigures, lag: Option<GroupLag>) -> Self {
        Self { bytes_in_per_second: figures.bytes_in_per_second, lag }
    }
}

/// More partitions are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    /// So many.
    pub to: i32,
    /// Which limit the load exceeds, and by what figure.
    pub because: String,
}

/// For how long the load has asked for more partitions than there are.
#[derive(Debug, Clone, Default)]
pub struct Demand {
    asking: Option<(Instant, i32)>,
    /// Since when the bytes a second are not known.
    unknown_since: Option<Instant>,
}

impl Demand {
    /// Takes a look at the load. Gives the growth, once the load has asked for more without a break for as long
    /// as the spec wants, to the least that it asked for in that time: again and again, until it was made. Then
    /// the wait begins anew: so much time lies between two growths at least.
    pub fn look(
        &mut self,
        spec: &ValidatedAutoscaling,
        partitions: i32,
        load: &Load,
        now: Instant,
    ) -> Option<Growth> {
        let wanted = wanted(spec, load);
        if wanted > partitions || spec.bytes_in_per_partition.is_none() || load.bytes_in_per_second.is_some()
        {
            self.unknown_since = None;
        } else if now.duration_since(*self.unknown_since.get_or_insert(now)) < UNKNOWN_MAX {
            // Broker metrics that could not be read for once do not end a load that lasts.
            return None;
        }
        if wanted <= partitions {
            self.asking = None;
            return None;
        }
        let (since, least) = match self.asking {
            // There are as many by now, whoever added them.
            Some((_, least)) if least <= partitions => (now, wanted),
            Some((since, least)) => (since, least.min(wanted)),
            None => (now, wanted),
        };
        self.asking = Some((since, least));
        (now.duration_since(since) >= spec.stabilization)
            .then(|| Growth { to: least, because: because(spec, partitions, load) })
    }

    /// The partitions were added.
    pub fn grown(&mut self) {
        self.asking = None;
    }
}

/// Partitions so that each stays within the limits, not beyond the maximum.
fn wanted(spec: &ValidatedAutoscaling, load: &Load) -> i32 {
    by_bytes(spec, load).max(by_lag(spec, load)).min(spec.partitions_max)
}

fn by_bytes(spec: &ValidatedAutoscaling, load: &Load) -> i32 {
    match (spec.bytes_in_per_partition, load.bytes_in_per_second) {
        (Some(limit), Some(rate)) => rounded_up(rate / limit as f64),
        _ => 0,
    }
}

/// The whole lag counts, wherever it waits: records stay in their partition when others are added, so that the
/// worst one would ask for more again and again.
fn by_lag(spec: &ValidatedAutoscaling, load: &Load) -> i32 {
    match (spec.lag_per_partition, &load.lag) {
        (Some(limit), Some(lag)) => rounded_up(lag.records as f64 / limit as f64),
        _ => 0,
    }
}

fn because(spec: &ValidatedAutoscaling, partitions: i32, load: &Load) -> String {
    let each = |limit: Option<i64>, what: &str| {
        format!("more than {} {what} for each of {partitions} partitions", limit.unwrap_or(0))
    };
    match &load.lag {
        Some(lag) if by_lag(spec, load) >= by_bytes(spec, load) => {
            let limit = each(spec.lag_per_partition, "records");
            format!("group {} is {} records behind, {limit}", lag.group, lag.records)
        }
        _ => {
            let limit = each(spec.bytes_in_per_partition, "bytes a second");
            format!("{:.0} bytes a second come in, {limit}", load.bytes_in_per_second.unwrap_or(0.0))
        }
    }
}

fn rounded_up(number: f64) -> i32 {
    // Saturates.
    number.ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(bytes: Option<i64>, lag: Option<i64>) -> ValidatedAutoscaling {
        ValidatedAutoscaling {
            partitions_max: 10,
            bytes_in_per_partition: bytes,
            lag_per_partition: lag,
            stabilization: Duration::from_secs(60),
        }
    }

    fn bytes(per_second: f64) -> Load {
        Load { bytes_in_per_second: Some(per_second), lag: None }
    }

    fn lag(records: i64) -> Load {
        Load { bytes_in_per_second: None, lag: Some(GroupLag { group: "readers".into(), records }) }
    }

    fn to(growth: Option<Growth>) -> Option<i32> {
        growth.map(|growth| growth.to)
    }

    #[test]
    fn partitions_are_added_when_the_load_lasts_and_only_as_many_as_it_asked_for_all_along() {
        let (spec, start) = (spec(Some(1000), None), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let mut demand = Demand::default();
        assert_eq!(demand.look(&spec, 2, &bytes(4500.0), at(0)), None);
        assert_eq!(demand.look(&spec, 2, &bytes(2900.0), at(30)), None);
        assert_eq!(demand.look(&spec, 2, &bytes(4500.0), at(59)), None);
        let growth = demand.look(&spec, 2, &bytes(4500.0), at(60)).unwrap();
        assert_eq!(growth.to, 3);
        assert_eq!(
            growth.because,
            "4500 bytes a second come in, more than 1000 bytes a second for each of 2 partitions"
        );
        demand.grown();
        assert_eq!(demand.look(&spec, 3, &bytes(4500.0), at(61)), None, "counted anew");
    }

    #[test]
    fn a_load_that_is_not_known_for_a_moment_still_lasts() {
        let (spec, start) = (spec(Some(1000), None), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let unknown = Load::default();
        let mut demand = Demand::default();
        assert_eq!(demand.look(&spec, 2, &bytes(2900.0), at(0)), None);
        assert_eq!(demand.look(&spec, 2, &unknown, at(20)), None);
        assert_eq!(demand.look(&spec, 2, &unknown, at(40)), None);
        assert_eq!(to(demand.look(&spec, 2, &bytes(2900.0), at(60))), Some(3));
        assert_eq!(demand.look(&spec, 2, &unknown, at(61)), None);
        assert_eq!(demand.look(&spec, 2, &unknown, at(91)), None, "for too long");
        assert_eq!(demand.look(&spec, 2, &bytes(2900.0), at(92)), None, "counted anew");
    }

    #[test]
    fn a_growth_that_failed_is_asked_for_again_without_another_wait() {
        let (spec, start) = (spec(Some(1000), None), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let mut demand = Demand::default();
        demand.look(&spec, 2, &bytes(3900.0), at(0));
        assert_eq!(to(demand.look(&spec, 2, &bytes(3900.0), at(60))), Some(4));
        assert_eq!(to(demand.look(&spec, 2, &bytes(3900.0), at(70))), Some(4));
        assert_eq!(to(demand.look(&spec, 2, &bytes(2900.0), at(80))), Some(3), "the least all along");
        // It was made after all, and nobody heard.
        assert_eq!(demand.look(&spec, 3, &bytes(5900.0), at(90)), None, "counted anew");
        assert_eq!(to(demand.look(&spec, 3, &bytes(5900.0), at(150))), Some(6));
    }

    #[test]
    fn a_break_starts_the_wait_over() {
        let (spec, start) = (spec(None, Some(100)), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let mut demand = Demand::default();
        assert_eq!(demand.look(&spec, 2, &lag(300), at(0)), None);
        assert_eq!(demand.look(&spec, 2, &lag(200), at(50)), None, "within the limit");
        assert_eq!(demand.look(&spec, 2, &lag(300), at(60)), None);
        assert_eq!(to(demand.look(&spec, 2, &lag(300), at(120))), Some(3));
    }

    #[test]
    fn an_old_backlog_asks_for_partitions_once_and_a_growing_one_not_all_the_time() {
        let (spec, start) = (spec(None, Some(100)), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let mut demand = Demand::default();
        demand.look(&spec, 1, &lag(350), at(0));
        let growth = demand.look(&spec, 1, &lag(350), at(60)).unwrap();
        demand.grown();
        assert_eq!(growth.to, 4);
        assert_eq!(
            growth.because,
            "group readers is 350 records behind, more than 100 records for each of 1 partitions"
        );
        for second in (70..1000).step_by(10) {
            assert_eq!(demand.look(&spec, 4, &lag(350), at(second)), None, "it is where it was");
        }
        let growths: Vec<u64> = (1000..1200)
            .step_by(10)
            .filter(|second| {
                let growth = demand.look(&spec, 4, &lag(500), at(*second));
                growth.inspect(|_| demand.grown()).is_some()
            })
            .collect();
        assert_eq!(growths, [1060, 1130], "none without the wait");
    }

    #[test]
    fn there_is_a_maximum_and_unknown_figures_ask_for_nothing() {
        let start = Instant::now();
        let later = start + Duration::from_secs(100);
        let mut demand = Demand::default();
        let spec = spec(Some(1), Some(1));
        assert_eq!(demand.look(&spec, 9, &bytes(1e300), start), None);
        assert_eq!(to(demand.look(&spec, 9, &bytes(1e300), later)), Some(10));
        assert_eq!(demand.look(&spec, 10, &bytes(1e300), start), None);
        assert_eq!(demand.look(&spec, 10, &bytes(1e300), later), None);
        assert_eq!(demand.look(&spec, 1, &Load::default(), later), None);
    }
}
