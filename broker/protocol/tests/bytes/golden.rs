//! What Kafka wrote is read, and written back byte by byte.

use std::collections::{HashMap, HashSet};

use crate::catalogue::messages;
use crate::corpus::{hex, samples};

#[test]
fn what_kafka_wrote_is_read_and_written_back() {
    let messages: HashMap<_, _> = messages().into_iter().map(|known| (known.name, known)).collect();
    for sample in samples() {
        let (name, version) = (sample.name, sample.version);
        let known = messages.get(name).unwrap_or_else(|| panic!("{name} is not in the catalogue"));
        let encoded = (known.again)(sample.bytes.clone(), version)
            .unwrap_or_else(|error| panic!("{name} {version}: {error}: {}", hex(&sample.bytes)));
        assert_eq!(hex(&encoded), hex(&sample.bytes), "{name} {version}");
    }
}

#[test]
fn every_version_of_every_message_has_a_sample() {
    let there: HashSet<_> = samples().into_iter().map(|sample| (sample.name, sample.version)).collect();
    for known in messages() {
        for version in known.versions.iter() {
            assert!(there.contains(&(known.name, version)), "no sample of {} {version}", known.name);
        }
    }
}
