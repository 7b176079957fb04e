//! Where new replicas go: over racks first, over the brokers of a rack next, each partition one
//! step further than the one before (Kafka's `StripedReplicaPlacer`).
//!
//! Fenced brokers are used only when there is no other left, and never for the first replica, which
//! is to lead.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::image::ClusterImage;

/// Brokers of one rack and one state, taken in a circle.
#[derive(Debug, Default)]
struct Circle {
    brokers: Vec<i32>,
    /// Where the circle begins; moves by one with each round.
    offset: usize,
    /// How many were taken in this round.
    taken: usize,
    round: usize,
}

impl Circle {
    fn next(&mut self, round: usize) -> Option<i32> {
        if self.brokers.is_empty() {
            return None;
        }
        if self.round != round {
            self.round = round;
            self.taken = 0;
            self.offset = (self.offset + 1) % self.brokers.len();
        }
        if self.taken >= self.brokers.len() {
            return None;
        }
        let broker = self.brokers[(self.taken + self.offset) % self.brokers.len()];
        self.taken += 1;
        Some(broker)
    }
}

#[derive(Debug, Default)]
struct Rack {
    unfenced: Circle,
    fenced: Circle,
}

impl Rack {
    fn next(&mut self, round: usize) -> Option<i32> {
        self.unfenced.next(round).or_else(|| self.fenced.next(round))
    }
}

/// Places partitions one after the other.
#[derive(Debug)]
pub(super) struct Placer {
    racks: Vec<Rack>,
    brokers: usize,
    unfenced: usize,
    /// The rack that the next partition begins at.
    offset: usize,
    round: usize,
}

impl Placer {
    /// Over the brokers that are registered and not on their way down.
    ///
    /// # Errors
    /// Kafka's reason why `replication_factor` replicas cannot be placed at all.
    pub(super) fn new(
        image: &ClusterImage,
        replication_factor: usize,
        rng: &mut Rng,
    ) -> Result<Self, String> {
        let mut by_rack: BTreeMap<Option<&str>, Rack> = BTreeMap::new();
        let (mut brokers, mut unfenced) = (0, 0);
        for broker in image.brokers.values().filter(|broker| !broker.in_controlled_shutdown) {
            let rack = by_rack.entry(broker.rack.as_deref()).or_default();
            brokers += 1;
            if broker.fenced {
                rack.fenced.brokers.push(broker.id);
            } else {
                unfenced += 1;
                rack.unfenced.brokers.push(broker.id);
            }
        }
        if unfenced == 0 {
            return Err("All brokers are currently fenced.".to_owned());
        }
        if replication_factor > brokers {
            return Err(format!(
                "The target replication factor of {replication_factor} cannot be reached because only \
                 {brokers} broker(s) are registered."
            ));
        }
        let mut racks: Vec<Rack> = by_rack.into_values().collect();
        for rack in &mut racks {
            for circle in [&mut rack.unfenced, &mut rack.fenced] {
                if !circle.brokers.is_empty() {
                    circle.offset = rng.usize(..circle.brokers.len());
                }
            }
        }
        let offset = rng.usize(..racks.len());
        Ok(Self { racks, brokers, unfenced, offset, round: 0 })
    }

    /// The replicas of the next partition, the leader first.
    ///
    /// `replication_factor` must be the one given to [`Placer::new`], which made sure that there are
    /// as many brokers.
    pub(super) fn place(&mut self, replication_factor: usize, rng: &mut Rng) -> Vec<i32> {
        // After as many partitions as brokers the same placements would come again: shuffle.
        if self.round == self.unfenced && self.unfenced > 1 {
            self.shuffle(rng);
            self.round = 0;
        }
        self.offset %= self.racks.len();
        let round = self.round;
        let mut replicas = Vec::with_capacity(replication_factor);
        let leading_rack = self.place_leader(&mut replicas);
        // The rack of the leader is passed over once, so that the second replica is elsewhere.
        let mut passed_over = false;
        let mut index = self.offset;
        // Each turn over all racks yields at least one broker while any is left.
        let steps_max = self.racks.len() * (self.brokers + 1);
        for _ in 0..steps_max {
            if replicas.len() >= replication_factor {
                break;
            }
            if index == leading_rack && !passed_over {
                passed_over = true;
            } else if let Some(broker) = self.racks[index].next(round) {
                replicas.push(broker);
            }
            index = (index + 1) % self.racks.len();
        }
        self.round += 1;
        self.offset += 1;
        replicas
    }

    /// Add the first unfenced broker from the current rack on; the index of its rack.
    fn place_leader(&mut self, replicas: &mut Vec<i32>) -> usize {
        for step in 0..self.racks.len() {
            let index = (self.offset + step) % self.racks.len();
            if let Some(broker) = self.racks[index].unfenced.next(self.round) {
                replicas.push(broker);
                return index;
            }
        }
        self.offset
    }

    fn shuffle(&mut self, rng: &mut Rng) {
        rng.shuffle(&mut self.racks);
        for rack in &mut self.racks {
            rng.shuffle(&mut rack.unfenced.brokers);
            rng.shuffle(&mut rack.fenced.brokers);
        }
    }
}
