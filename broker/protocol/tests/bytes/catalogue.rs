//! Every message with a declaration, as functions over bytes.

use std::fmt::Debug;

use bytes::Bytes;
use millrace_protocol::header::{RequestHeader, ResponseHeader, request_header_version};
use millrace_protocol::messages as m;
use millrace_protocol::wire::{DecodeError, Reader};
use millrace_protocol::{
    ApiKey, Message, Request, VersionRange, decode_from_bytes, encode_to_bytes, every_api,
};

/// A message that decodes and encodes.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) versions: VersionRange,
    /// Decodes and forgets.
    pub(crate) decode: fn(&mut Reader, i16) -> Result<(), DecodeError>,
    /// Decodes all of the bytes, and encodes what it found.
    pub(crate) again: fn(Bytes, i16) -> Result<Bytes, DecodeError>,
}

impl Known {
    fn of<M: Message + PartialEq + Debug>() -> Self {
        Self {
            name: M::NAME,
            versions: M::VERSIONS,
            decode: |reader, version| M::decode(reader, version).map(drop),
            again: again::<M>,
        }
    }
}

/// # Panics
/// When what was decoded cannot be encoded, or comes back as something else.
fn again<M: Message + PartialEq + Debug>(bytes: Bytes, version: i16) -> Result<Bytes, DecodeError> {
    let message: M = decode_from_bytes(bytes, version)?;
    let encoded = encode_to_bytes(&message, version)
        .unwrap_or_else(|error| panic!("{message:?} was read but cannot be written: {error}"));
    assert_eq!(decode_from_bytes::<M>(encoded.clone(), version).as_ref(), Ok(&message));
    Ok(encoded)
}

macro_rules! requests_and_responses {
    ($($name:ident = $number:literal, $module:ident :: $request:ident;)*) => {
        fn requests_and_responses() -> Vec<Known> {
            vec![$(
                Known::of::<m::$module::$request>(),
                Known::of::<<m::$module::$request as Request>::Response>(),
            )*]
        }

        /// A request as the broker takes it from a frame: what the header says decides what follows.
        pub(crate) fn decode_frame(frame: Bytes) -> Result<(), DecodeError> {
            let Some(&[k0, k1, v0, v1]) = frame.first_chunk() else {
                return Err(DecodeError::Truncated { needed: 4, remaining: frame.len() });
            };
            let version = i16::from_be_bytes([v0, v1]);
            let known = ApiKey::from_number(i16::from_be_bytes([k0, k1]));
            let key = known.ok_or(DecodeError::UnsupportedVersion(version))?;
            let mut reader = Reader::new(frame);
            RequestHeader::decode(&mut reader, request_header_version(key, version))?;
            match key {
                $(ApiKey::$name => m::$module::$request::decode(&mut reader, version).map(drop),)*
            }
        }
    };
}

every_api!(requests_and_responses);

macro_rules! others {
    ($($type:ty)*) => {
        fn others() -> Vec<Known> {
            vec![$(Known::of::<$type>()),*]
        }
    };
}

others! {
    RequestHeader
    ResponseHeader
    m::group_records::OffsetCommitKey
    m::group_records::OffsetCommitValue
    m::group_records::GroupMetadataKey
    m::group_records::GroupMetadataValue
    m::group_records::ConsumerProtocolSubscription
    m::group_records::ConsumerProtocolAssignment
    m::metadata_records::RegisterBrokerRecord
    m::metadata_records::UnregisterBrokerRecord
    m::metadata_records::TopicRecord
    m::metadata_records::PartitionRecord
    m::metadata_records::ConfigRecord
    m::metadata_records::PartitionChangeRecord
    m::metadata_records::FenceBrokerRecord
    m::metadata_records::UnfenceBrokerRecord
    m::metadata_records::RemoveTopicRecord
    m::metadata_records::FeatureLevelRecord
    m::metadata_records::ProducerIdsRecord
    m::metadata_records::BrokerRegistrationChangeRecord
    m::metadata_records::NoOpRecord
}

/// Every message: requests and responses in the order of their APIs, then the rest.
pub(crate) fn messages() -> Vec<Known> {
    let mut messages = requests_and_responses();
    messages.extend(others());
    messages
}
