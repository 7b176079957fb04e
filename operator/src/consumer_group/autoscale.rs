//! How many members a group's lag asks for. Pure; times are handed in. More at once, fewer only when fewer
//! sufficed for a while, never beyond the number of partitions.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::validate::ValidatedScaling;
use crate::kafka::groups::{GroupObservation, STABLE};

/// What the lag asked for lately: in falling order, so that the greatest in the window is in front.
#[derive(Debug, Clone, Default)]
pub struct Recommendations {
    falling: VecDeque<(Instant, i32)>,
}

impl Recommendations {
    /// Takes a look and gives the number of members to have. What the `present` ones were wanted for before the
    /// first look is not known: they stay until fewer sufficed for the whole window. They also stay while a
    /// partition could not be asked: nobody knows what waits in it.
    pub fn look(
        &mut self,
        spec: &ValidatedScaling,
        group: &GroupObservation,
        present: i32,
        now: Instant,
    ) -> i32 {
        if self.falling.is_empty() {
            self.falling.push_back((now, present.clamp(spec.replicas_min, spec.replicas_max)));
        }
        let wanted = wanted(spec, group);
        self.push(wanted, now, spec.stabilization);
        let lately = self.falling.front().map_or(wanted, |(_, greatest)| *greatest);
        let lately = lately.min(ceiling(spec, group, present));
        if group.is_whole() { lately } else { lately.max(present.min(spec.replicas_max)) }
    }

    fn push(&mut self, wanted: i32, now: Instant, window: Duration) {
        while self.falling.back().is_some_and(|(_, last)| *last <= wanted) {
            self.falling.pop_back();
        }
        self.falling.push_back((now, wanted));
        while self.falling.front().is_some_and(|(at, _)| now.duration_since(*at) > window) {
            self.falling.pop_front();
        }
    }
}

/// Members for the records that wait.
fn wanted(spec: &ValidatedScaling, group: &GroupObservation) -> i32 {
    let backlog = group.backlog();
    let members = backlog / spec.lag_per_replica + i64::from(backlog % spec.lag_per_replica > 0);
    i32::try_from(members).unwrap_or(i32::MAX).clamp(spec.replicas_min, spec.replicas_max)
}

/// More members than partitions would have nothing to do, whatever the least is. Before there are partitions the spec's
/// own bounds hold; while nobody knows how many there are, no members come besides those that there are. While members
/// come and go brokers do not tell what they subscribe to: then those that there are stay.
fn ceiling(spec: &ValidatedScaling, group: &GroupObservation, present: i32) -> i32 {
    let present = present.min(spec.replicas_max);
    match group.partitions {
        None => present,
        Some(0) => spec.replicas_max,
        Some(partitions) if group.state == STABLE => partitions.min(spec.replicas_max),
        Some(partitions) => partitions.min(spec.replicas_max).max(present),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::groups::Position;
    use millrace_client::TopicPartition;

    fn spec(min: i32, max: i32) -> ValidatedScaling {
        ValidatedScaling {
            deployment: "readers".into(),
            replicas_min: min,
            replicas_max: max,
            lag_per_replica: 100,
            stabilization: Duration::from_secs(60),
        }
    }

    fn group(lags: &[i64]) -> GroupObservation {
        let positions = (0..).zip(lags).map(|(number, lag)| {
            let position = Position { committed: Some(0), end: *lag, ..Position::default() };
            (TopicPartition::new("t", number), position)
        });
        let partitions = i32::try_from(lags.len()).ok();
        let (positions, state) = (positions.collect(), STABLE.to_owned());
        GroupObservation { state, positions, partitions, ..GroupObservation::default() }
    }

    #[test]
    fn more_at_once_fewer_after_a_while() {
        let (spec, start) = (spec(1, 10), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let mut lately = Recommendations::default();
        assert_eq!(lately.look(&spec, &group(&[0, 0, 0, 0]), 0, at(0)), 1);
        assert_eq!(lately.look(&spec, &group(&[101, 100, 0, 0]), 0, at(5)), 3);
        assert_eq!(lately.look(&spec, &group(&[10, 0, 0, 0]), 0, at(30)), 3, "it may come back");
        assert_eq!(lately.look(&spec, &group(&[150, 0, 0, 0]), 0, at(50)), 3);
        assert_eq!(lately.look(&spec, &group(&[0, 0, 0, 0]), 0, at(66)), 2, "three were last asked for at 5");
        assert_eq!(lately.look(&spec, &group(&[0, 0, 0, 0]), 0, at(111)), 1);
    }

    /// After a restart of the operator, and for a Deployment that ran before there was a ConsumerGroup.
    #[test]
    fn members_that_were_there_before_stay_for_the_window() {
        let (spec, start) = (spec(1, 10), Instant::now());
        let at = |second: u64| start + Duration::from_secs(second);
        let mut lately = Recommendations::default();
        assert_eq!(lately.look(&spec, &group(&[0; 12]), 10, at(0)), 10);
        assert_eq!(lately.look(&spec, &group(&[0; 12]), 10, at(60)), 10);
        assert_eq!(lately.look(&spec, &group(&[0; 12]), 10, at(61)), 1);
        assert_eq!(Recommendations::default().look(&spec, &group(&[0; 12]), 50, start), 10, "within bounds");
        assert_eq!(Recommendations::default().look(&spec, &group(&[900; 12]), 2, start), 10, "more at once");
    }

    #[test]
    fn members_stay_while_a_partition_is_unknown() {
        let (spec, start) = (spec(0, 10), Instant::now());
        let mut lately = Recommendations::default();
        let mut group = group(&[0, 0]);
        lately.look(&spec, &group, 0, start);
        let error = millrace_client::ClientError::Usage("t-2 has no leader".into());
        group.unanswered.insert("t".into(), error);
        assert_eq!(lately.look(&spec, &group, 3, start + Duration::from_secs(100)), 3);
        group.unanswered.clear();
        assert_eq!(lately.look(&spec, &group, 3, start + Duration::from_secs(200)), 0);
    }

    #[test]
    fn never_beyond_the_partitions_nor_the_bounds() {
        let now = Instant::now();
        let look = |spec: ValidatedScaling, group: GroupObservation| {
            Recommendations::default().look(&spec, &group, 0, now)
        };
        assert_eq!(look(spec(1, 10), group(&[5000, 5000])), 2);
        assert_eq!(look(spec(1, 3), group(&[5000; 8])), 3);
        assert_eq!(look(spec(4, 10), group(&[0, 0])), 2, "not even for the least");
        let no_partitions = GroupObservation { partitions: Some(0), ..GroupObservation::default() };
        assert_eq!(look(spec(4, 10), no_partitions), 4, "there are none yet");
        let unknown = GroupObservation { partitions: None, ..group(&[5000, 5000]) };
        let look_at_two = |spec: ValidatedScaling, group: &GroupObservation| {
            Recommendations::default().look(&spec, group, 2, now)
        };
        assert_eq!(look_at_two(spec(1, 10), &unknown), 2, "nobody knows how many");
        assert_eq!(look_at_two(spec(4, 10), &unknown), 2, "not even the least");
        let known_in_part = GroupObservation { partitions: Some(1), ..group(&[5000]) };
        assert_eq!(look_at_two(spec(1, 10), &known_in_part), 1);
        let rebalancing = GroupObservation { state: "PreparingRebalance".into(), ..known_in_part };
        assert_eq!(look_at_two(spec(1, 10), &rebalancing), 2, "nobody tells what the members subscribe to");
        assert_eq!(look(spec(0, 10), rebalancing), 1);
        let committed_for_one_of_twelve = GroupObservation { partitions: Some(12), ..group(&[0]) };
        assert_eq!(look(spec(4, 20), committed_for_one_of_twelve), 4);
        assert_eq!(look(spec(0, 3), group(&[0; 4])), 0);
        assert_eq!(look(spec(0, 3), group(&[1, 0, 0])), 1, "one record wakes one member");
    }

    #[test]
    fn what_was_never_committed_waits_too() {
        let mut group = group(&[0]);
        group.positions.values_mut().for_each(|one| (one.committed, one.end) = (None, 250));
        assert_eq!(Recommendations::default().look(&spec(0, 1), &group, 0, Instant::now()), 1);
    }
}
