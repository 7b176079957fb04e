//! Whatever the bytes, decoding ends without a panic and without taking more memory than a small
//! multiple of their number.

use std::collections::HashMap;

use bytes::Bytes;
use fastrand::Rng;
use millrace_protocol::messages::delete_groups::DeleteGroupsRequest;
use millrace_protocol::messages::find_coordinator::FindCoordinatorRequest;
use millrace_protocol::messages::list_groups::{ListGroupsResponse, ListedGroup};
use millrace_protocol::messages::metadata::{MetadataRequest, MetadataRequestTopic};
use millrace_protocol::messages::offset_fetch::{OffsetFetchRequest, OffsetFetchRequestGroup};
use millrace_protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use millrace_protocol::wire::Reader;
use millrace_protocol::{Message, encode_to_bytes};
use proptest::prelude::*;

use crate::allocator::peak_bytes_of;
use crate::catalogue::messages;
use crate::corpus::{hex, samples};
use crate::mutate::{LIES, mutate, overwrite};

/// Memory that decoding may hold for each byte of input. The densest message, ListGroupsResponse 3 of
/// empty groups, becomes 32 bytes for each byte, and twice that while its vector moves.
pub(crate) const MULTIPLE_MAX: usize = 64;
/// Memory that decoding may hold besides: the first few elements of arrays inside arrays.
pub(crate) const BASE_BYTES_MAX: usize = 4096;

/// What decoding held at most.
///
/// # Panics
/// When that is more than the bound.
pub(crate) fn assert_bounded(what: &str, input: &Bytes, decode: impl FnOnce(Bytes)) -> usize {
    let given = input.clone();
    let peak = peak_bytes_of(|| decode(given));
    let bound = MULTIPLE_MAX * input.len() + BASE_BYTES_MAX;
    assert!(
        peak <= bound,
        "{what}: {peak} bytes held for an input of {}: {}",
        input.len(),
        hex(&input[..input.len().min(200)])
    );
    peak
}

fn decode_everywhere(input: &Bytes) {
    for known in messages() {
        for version in known.versions.iter() {
            assert_bounded(&format!("{} {version}", known.name), input, |bytes| {
                let _ = (known.decode)(&mut Reader::new(bytes), version);
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn arbitrary_bytes_are_survived(input in prop::collection::vec(any::<u8>(), 0..2000)) {
        decode_everywhere(&Bytes::from(input));
    }

    /// Bytes below four are lengths, counts and tags that are nearly always possible, so decoding
    /// gets far.
    #[test]
    fn small_bytes_are_survived(input in prop::collection::vec(0_u8..4, 0..2000)) {
        decode_everywhere(&Bytes::from(input));
    }

    #[test]
    fn spoilt_messages_are_survived(seed: u64) {
        let (messages, samples) = (messages(), samples());
        let by_name: HashMap<_, _> = messages.iter().map(|known| (known.name, known)).collect();
        let mut rng = Rng::with_seed(seed);
        for sample in &samples {
            let mut spoilt = sample.bytes.to_vec();
            mutate(&mut spoilt, &samples[rng.usize(..samples.len())].bytes, &mut rng);
            assert_bounded(sample.name, &Bytes::from(spoilt), |bytes| {
                let _ = (by_name[sample.name].decode)(&mut Reader::new(bytes), sample.version);
            });
        }
    }
}

/// Every byte of every sample in turn becomes the start of a length that lies, with enough behind it
/// to be believed.
#[test]
fn lengths_that_lie_are_survived() {
    let messages = messages();
    let by_name: HashMap<_, _> = messages.iter().map(|known| (known.name, known)).collect();
    for sample in samples() {
        let decode = by_name[sample.name].decode;
        for at in 0..sample.bytes.len() {
            let lie = LIES[at % LIES.len()];
            let mut lying = sample.bytes.to_vec();
            overwrite(&mut lying, at, lie);
            let filler = [0, 1, 2][at % 3];
            lying.resize(lying.len() + 0x4001, filler);
            assert_bounded(sample.name, &Bytes::from(lying), |bytes| {
                let _ = decode(&mut Reader::new(bytes), sample.version);
            });
        }
    }
}

/// The messages whose values outgrow their bytes most: nothing but empty strings and arrays.
#[test]
fn dense_messages_stay_within_the_bound() {
    fn multiple<M: Message>(message: &M, version: i16) -> usize {
        let bytes = encode_to_bytes(message, version).unwrap();
        let peak = assert_bounded(M::NAME, &bytes, |bytes| {
            assert!(M::decode(&mut Reader::new(bytes), version).is_ok());
        });
        peak / bytes.len()
    }
    let many = 100_000;
    let list_groups = ListGroupsResponse { groups: vec![ListedGroup::default(); many], ..Default::default() };
    let densest = multiple(&list_groups, 3);
    assert!((32..=MULTIPLE_MAX).contains(&densest), "{densest} bytes for each byte");

    let groups = vec![OffsetFetchRequestGroup::default(); many];
    multiple(&OffsetFetchRequest { groups, ..Default::default() }, 8);
    multiple(&DeleteGroupsRequest { groups_names: vec![String::new(); many] }, 2);
    let coordinator_keys = vec![String::new(); many];
    multiple(&FindCoordinatorRequest { coordinator_keys, ..Default::default() }, 4);
    let topic = MetadataRequestTopic { name: Some(String::new()), ..Default::default() };
    multiple(&MetadataRequest { topics: Some(vec![topic; many]), ..Default::default() }, 9);
    let partition_data = vec![PartitionProduceData::default(); 2];
    let topic = TopicProduceData { partition_data, ..Default::default() };
    multiple(&ProduceRequest { topic_data: vec![topic; many], ..Default::default() }, 9);
}
