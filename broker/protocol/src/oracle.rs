//! Our codec against that of the `kafka-protocol` crate, which is generated from Kafka's own schemas:
//! for each message and version that both know, invented messages must have the same bytes here
//! and there, and each must read what the other wrote.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages as k;
use kafka_protocol::protocol::{Decodable, Encodable, Message as Theirs};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::api_key::ApiKey;
use crate::every_api;
use crate::header::{RequestHeader, ResponseHeader, request_header_version, response_header_version};
use crate::message::{Message, Request, VersionRange, decode_from_bytes, encode_to_bytes};
use crate::messages::{self as m, group_records as g};
use crate::wire::{EncodeError, Reader};

/// Invented messages for each version of each message.
const CASES: u32 = 128;
const ENTROPY_BYTES_MAX: usize = 600;

/// Versions that the crate does not know, because Kafka 4 dropped them. The golden files hold them.
const DROPPED: [(&str, VersionRange); 4] = [
    ("ProduceRequest", VersionRange { first: 0, last: 2 }),
    ("ProduceResponse", VersionRange { first: 0, last: 2 }),
    ("FetchRequest", VersionRange { first: 0, last: 3 }),
    ("FetchResponse", VersionRange { first: 0, last: 3 }),
];

/// Versions that the crate's responses know and its requests do not, because Kafka 4.1 does not call
/// them stable (`latestVersionUnstable`).
const UNSTABLE: [(&str, i16); 3] =
    [("OffsetCommitResponse", 10), ("OffsetFetchResponse", 10), ("InitProducerIdResponse", 6)];

/// Fields that are null here in versions without them, and empty there (and in Kafka): message, and the
/// versions with the field. Null tells a caller more, and no byte depends on it.
const NULL_WHERE_ABSENT: [(&str, VersionRange); 4] = [
    ("CreateTopicsResponse", VersionRange { first: 5, last: 7 }),
    ("DescribeConfigsResponse", VersionRange { first: 3, last: 4 }),
    ("DescribeQuorumResponse", VersionRange { first: 2, last: 2 }),
    ("FindCoordinatorResponse", VersionRange { first: 1, last: 3 }),
];

/// Tagged fields whose values the crate drops in versions without them. We refuse, as Kafka's own
/// writer does.
const DROPPED_THERE: [(&str, &str); 7] = [
    ("FetchRequest", "replica_state"),
    ("FetchResponse", "diverging_epoch"),
    ("FetchResponse", "current_leader"),
    ("FetchResponse", "snapshot_id"),
    ("FetchResponse", "node_endpoints"),
    ("ProduceResponse", "current_leader"),
    ("ProduceResponse", "node_endpoints"),
];

/// A message that both know.
struct Pair {
    name: &'static str,
    ours: VersionRange,
    theirs: VersionRange,
    compare: fn(&Bytes, i16) -> Result<(), String>,
}

impl Pair {
    fn of<M: Message + PartialEq + Debug, K: Theirs + Encodable + Decodable + Debug>() -> Self {
        let theirs = VersionRange { first: K::VERSIONS.min, last: K::VERSIONS.max };
        Self { name: M::NAME, ours: M::VERSIONS, theirs, compare: compare::<M, K> }
    }

    fn agrees(&self) {
        let entropy = prop::collection::vec(any::<u8>(), 0..ENTROPY_BYTES_MAX).prop_map(Bytes::from);
        for version in self.ours.iter().filter(|version| self.theirs.contains(*version)) {
            let compared =
                TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() })
                    .run(&entropy, |entropy| (self.compare)(&entropy, version).map_err(TestCaseError::fail));
            if let Err(error) = compared {
                panic!("{} version {version}: {error}", self.name);
            }
        }
    }
}

/// Invents a message, and lets it go from one codec to the other and back.
fn compare<M: Message + PartialEq + Debug, K: Theirs + Encodable + Decodable + Debug>(
    entropy: &Bytes,
    version: i16,
) -> Result<(), String> {
    let message = M::decode(&mut Reader::inventing(entropy.clone()), version)
        .map_err(|error| format!("nothing invented: {error}"))?;
    let ours = encode_to_bytes(&message, version).map_err(|error| format!("{message:?}: {error}"))?;
    let mut left = ours.clone();
    let read = K::decode(&mut left, version)
        .map_err(|error| format!("they cannot read {message:?} as {}: {error}", hex(&ours)))?;
    if !left.is_empty() {
        return Err(format!("they leave {} of {} of {message:?}", hex(&left), hex(&ours)));
    }
    // The crate keeps tagged fields that it does not know and would write them again unseen.
    if format!("{read:?}").replace("unknown_tagged_fields: {}", "").contains("unknown_tagged_fields") {
        return Err(format!("they do not know a tag: {read:?}"));
    }
    let mut theirs = BytesMut::new();
    read.encode(&mut theirs, version).map_err(|error| format!("they cannot write {message:?}: {error}"))?;
    if theirs != ours {
        return Err(format!("{message:?}\n  ours   {}\n  theirs {}", hex(&ours), hex(&theirs)));
    }
    let back: M = decode_from_bytes(theirs.freeze(), version)
        .map_err(|error| format!("we cannot read {message:?}: {error}"))?;
    if back != message {
        return Err(format!("{message:?} came back as {back:?}"));
    }
    M::VERSIONS
        .iter()
        .filter(|other| (K::VERSIONS.min..=K::VERSIONS.max).contains(other))
        .try_for_each(|other| compare_across(&message, &read, version, other))
}

/// What was read in version `from` is written in version `to`, or refused, by both: this holds the
/// defaults together, and which fields may be dropped silently.
fn compare_across<M: Message + Debug, K: Encodable>(
    message: &M,
    read: &K,
    from: i16,
    to: i16,
) -> Result<(), String> {
    let has_null =
        |(name, with): &(&str, VersionRange)| *name == M::NAME && !with.contains(from) && with.contains(to);
    if NULL_WHERE_ABSENT.iter().any(has_null) {
        return Ok(());
    }
    let mut theirs = BytesMut::new();
    let written = read.encode(&mut theirs, to);
    let ours = encode_to_bytes(message, to);
    let agreed = match (&ours, &written) {
        (Ok(ours), Ok(())) => *ours == theirs,
        (Err(_), Err(_)) => true,
        // The crate writes null even where the version has no null; Kafka's writer does not.
        (Err(EncodeError::UnexpectedNull { .. }), Ok(())) => true,
        (Err(EncodeError::FieldNotInVersion { field, .. }), Ok(())) => {
            DROPPED_THERE.contains(&(M::NAME, field))
        }
        _ => false,
    };
    if agreed {
        return Ok(());
    }
    let (ours, theirs) = (ours.map(|bytes| hex(&bytes)), written.map(|()| hex(&theirs)));
    Err(format!("{message:?} written in version {to}\n  ours   {ours:?}\n  theirs {theirs:?}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

macro_rules! apis {
    ($($name:ident = $number:literal, $module:ident :: $request:ident;)*) => {
        $(
            #[test]
            fn $module() {
                for pair in api_pairs::$module() {
                    pair.agrees();
                }
            }
        )*

        /// Request and response of each API.
        mod api_pairs {
            use super::*;

            $(
                pub(super) fn $module() -> [Pair; 2] {
                    [
                        Pair::of::<m::$module::$request, k::$request>(),
                        Pair::of::<
                            <m::$module::$request as Request>::Response,
                            <k::$request as kafka_protocol::protocol::Request>::Response,
                        >(),
                    ]
                }
            )*
        }

        /// Every API with its pairs, and its number in their table.
        fn api_pairs() -> Vec<(ApiKey, k::ApiKey, [Pair; 2])> {
            vec![$((ApiKey::$name, k::ApiKey::$name, api_pairs::$module())),*]
        }
    };
}

every_api!(apis);

#[test]
fn headers() {
    Pair::of::<RequestHeader, k::RequestHeader>().agrees();
    Pair::of::<ResponseHeader, k::ResponseHeader>().agrees();
}

#[test]
fn what_consumers_tell_one_another() {
    Pair::of::<g::ConsumerProtocolSubscription, k::ConsumerProtocolSubscription>().agrees();
    Pair::of::<g::ConsumerProtocolAssignment, k::ConsumerProtocolAssignment>().agrees();
}

#[test]
fn no_api_or_version_that_both_know_is_left_out() {
    let pairs = api_pairs();
    for (ours, theirs, _) in &pairs {
        assert_eq!(ours.number(), *theirs as i16, "{}", ours.name());
    }
    let compared: Vec<_> = pairs.iter().map(|(ours, _, _)| *ours).collect();
    let both_know: Vec<_> = k::ApiKey::iter().filter_map(|key| ApiKey::from_number(key as i16)).collect();
    assert_eq!(compared, both_know);
    assert_eq!(compared, ApiKey::ALL);

    for pair in pairs.iter().flat_map(|(_, _, pairs)| pairs) {
        let missing: Vec<_> = pair.ours.iter().filter(|version| !pair.theirs.contains(*version)).collect();
        let dropped = DROPPED.iter().find(|(name, _)| *name == pair.name);
        assert_eq!(missing, dropped.map_or(Vec::new(), |(_, range)| range.iter().collect()), "{}", pair.name);

        let newer: Vec<_> = pair.theirs.iter().filter(|version| !pair.ours.contains(*version)).collect();
        let unstable = UNSTABLE.iter().find(|(name, _)| *name == pair.name);
        assert_eq!(newer, unstable.map_or(Vec::new(), |(_, version)| vec![*version]), "{}", pair.name);
    }
}

#[test]
fn header_versions() {
    for (ours, theirs, _) in api_pairs() {
        for version in ours.versions().iter() {
            let name = ours.name();
            assert_eq!(
                request_header_version(ours, version),
                theirs.request_header_version(version),
                "{name}"
            );
            assert_eq!(
                response_header_version(ours, version),
                theirs.response_header_version(version),
                "{name}"
            );
        }
    }
}
