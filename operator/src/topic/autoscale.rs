//! How many partitions the load asks for, and whether it has asked for long enough. Pure; times are handed
//! in. Only ever asks for more: partitions cannot be removed.

use std::time::Instant;

use super::validate::ValidatedAutoscaling;
use crate::kafka::link::TopicFigures;

/// What a topic has to bear.
#[derive(Debug, Clone, Copy, Default)]
pub struct Load {
    /// Bytes a second in, where known.
    pub bytes_in_per_second: Option<f64>,
    /// The greatest lag of any group in one partition, where known.
    pub greatest_lag: Option<i64>,
}

impl Load {
    /// The load in a topic's figures.
    #[must_use]
    pub fn of(figures: &TopicFigures, greatest_lag: Option<i64>) -> Self {
        Self { bytes_in_per_second: figures.bytes_in_per_second, greatest_lag }
    }
}

/// For how long the load has asked for more partitions than there are.
#[derive(Debug, Clone, Default)]
pub struct Demand {
    asking: Option<(Instant, i32)>,
}

impl Demand {
    /// Takes a look at the load. Gives the number of partitions to grow to, once the load has asked for more
    /// without a break for as long as the spec wants: the least that it asked for in that time.
    pub fn look(
        &mut self,
        spec: &ValidatedAutoscaling,
        partitions: i32,
        load: Load,
        now: Instant,
    ) -> Option<i32> {
        let wanted = wanted(spec, partitions, load);
        if wanted <= partitions {
            self.asking = None;
            return None;
        }
        let (since, least) = match self.asking {
            Some((since, least)) => (since, least.min(wanted)),
            None => (now, wanted),
        };
        self.asking = Some((since, least));
        (now.duration_since(since) >= spec.stabilization && least > partitions).then(|| {
            self.asking = None;
            least
        })
    }
}

/// Partitions so that each stays within the limits, not beyond the maximum.
fn wanted(spec: &ValidatedAutoscaling, partitions: i32, load: Load) -> i32 {
    let by_bytes = match (spec.bytes_in_per_partition, load.bytes_in_per_second) {
        (Some(limit), Some(rate)) => rounded_up(rate / limit as f64),
        _ => 0,
    };
    // The worst partition stands for all: spread over more, the same backlog would have been less in each.
    let by_lag = match (spec.lag_per_partition, load.greatest_lag) {
        (Some(limit), Some(lag)) => rounded_up(f64::from(partitions) * lag as f64 / limit as f64),
        _ => 0,
    };
    by_bytes.max(by_lag).min(spec.partitions_max)
}

fn rounded_up(number: f64) -> i32 {
    // Saturates.
    number.ceil() as i32
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
        Load { bytes_in_per_second: Some(per_second), greatest_lag: None }
    }

    #[test]
    fn partitions_are_added_when_the_load_lasts_and_only_as_many_as_it_asked_for_all_along() {
        let (spec, start) = (spec(Some(1000), None), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let mut demand = Demand::default();
        assert_eq!(demand.look(&spec, 2, bytes(4500.0), at(0)), None);
        assert_eq!(demand.look(&spec, 2, bytes(2900.0), at(30)), None);
        assert_eq!(demand.look(&spec, 2, bytes(4500.0), at(59)), None);
        assert_eq!(demand.look(&spec, 2, bytes(4500.0), at(60)), Some(3));
        assert_eq!(demand.look(&spec, 3, bytes(4500.0), at(61)), None, "counted anew");
    }

    #[test]
    fn a_break_starts_the_wait_over() {
        let (spec, start) = (spec(None, Some(100)), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let lag = |records| Load { bytes_in_per_second: None, greatest_lag: Some(records) };
        let mut demand = Demand::default();
        assert_eq!(demand.look(&spec, 2, lag(150), at(0)), None);
        assert_eq!(demand.look(&spec, 2, lag(100), at(50)), None, "within the limit");
        assert_eq!(demand.look(&spec, 2, lag(150), at(60)), None);
        assert_eq!(demand.look(&spec, 2, lag(150), at(120)), Some(3));
    }

    #[test]
    fn there_is_a_maximum_and_unknown_figures_ask_for_nothing() {
        let start = Instant::now();
        let later = start + Duration::from_secs(100);
        let mut demand = Demand::default();
        let spec = spec(Some(1), Some(1));
        assert_eq!(demand.look(&spec, 9, bytes(1e300), start), None);
        assert_eq!(demand.look(&spec, 9, bytes(1e300), later), Some(10));
        assert_eq!(demand.look(&spec, 10, bytes(1e300), start), None);
        assert_eq!(demand.look(&spec, 10, bytes(1e300), later), None);
        assert_eq!(demand.look(&spec, 1, Load::default(), later), None);
    }
}
