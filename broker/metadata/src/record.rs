//! A record of `__cluster_metadata`: one closed enum over Kafka's types, and its bytes as the
//! value of a log record (Kafka's `MetadataRecordSerde`).
//!
//! It must never know what a record means.

use bytes::Bytes;
use millrace_protocol::messages::metadata_records as r;
use millrace_protocol::wire::{DecodeError, EncodeError, Reader, Writer};
use millrace_protocol::{LogRecord, Message};

/// Kafka's frame in front of every record value: this number, the type, the version.
const FRAME_VERSION: u32 = 1;

/// Bytes that are not a metadata record that this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordDecodeError {
    /// The frame in front is of another version than Kafka has ever written.
    #[error("frame version {0} of a metadata record is not known")]
    FrameVersion(u32),
    /// A newer version of this program, or Kafka with features not served here, wrote it.
    #[error("metadata record type {0} is not known")]
    UnknownType(u32),
    /// The fields do not parse.
    #[error("metadata record does not parse: {0}")]
    Fields(#[from] DecodeError),
    /// Bytes are left over.
    #[error("metadata record has {0} bytes too many")]
    TrailingBytes(usize),
}

macro_rules! metadata_records {
    ($($(#[$doc:meta])* $name:ident($body:ident) = $version:literal;)*) => {
        /// A metadata record.
        #[derive(Debug, Clone, PartialEq)]
        pub enum MetadataRecord {
            $($(#[$doc])* $name(r::$body),)*
        }

        impl MetadataRecord {
            /// The record as the value of a log record.
            ///
            /// # Errors
            /// [`EncodeError`] when a text or list is longer than the format can say.
            pub fn encode(&self) -> Result<Bytes, EncodeError> {
                let mut writer = Writer::default();
                writer.write_uvarint(FRAME_VERSION);
                match self {
                    $(Self::$name(body) => {
                        writer.write_uvarint(r::$body::RECORD_TYPE.unsigned_abs().into());
                        writer.write_uvarint($version);
                        body.encode(&mut writer, $version)?;
                    })*
                }
                Ok(writer.finish().0)
            }

            fn decode_body(reader: &mut Reader, kind: u32, version: i16) -> Result<Self, RecordDecodeError> {
                $(if kind == u32::from(r::$body::RECORD_TYPE.unsigned_abs()) {
                    return Ok(Self::$name(r::$body::decode(reader, version)?));
                })*
                Err(RecordDecodeError::UnknownType(kind))
            }
        }

        $(impl From<r::$body> for MetadataRecord {
            fn from(body: r::$body) -> Self {
                Self::$name(body)
            }
        })*
    };
}

// The versions are those that Kafka writes at `metadata.version` 4.1-IV1 without eligible leader
// replicas.
metadata_records! {
    /// A broker came up.
    RegisterBroker(RegisterBrokerRecord) = 3;
    /// A broker was removed for good.
    UnregisterBroker(UnregisterBrokerRecord) = 0;
    /// A topic was created; its partitions follow.
    Topic(TopicRecord) = 0;
    /// A partition was created, or in a snapshot: is.
    Partition(PartitionRecord) = 1;
    /// A setting was set or removed.
    Config(ConfigRecord) = 0;
    /// A partition's leader, replicas or in-sync replicas changed.
    PartitionChange(PartitionChangeRecord) = 1;
    /// A broker stopped sending heartbeats.
    FenceBroker(FenceBrokerRecord) = 0;
    /// A broker is up again.
    UnfenceBroker(UnfenceBrokerRecord) = 0;
    /// A topic was deleted, with its partitions and settings.
    RemoveTopic(RemoveTopicRecord) = 0;
    /// A feature, above all `metadata.version`, was set to a level.
    FeatureLevel(FeatureLevelRecord) = 0;
    /// A block of producer ids was given to a broker.
    ProducerIds(ProducerIdsRecord) = 0;
    /// A broker's state changed.
    BrokerRegistrationChange(BrokerRegistrationChangeRecord) = 2;
    /// Nothing happened; the log moved on.
    NoOp(NoOpRecord) = 0;
}

impl MetadataRecord {
    /// Read a record from the value of a log record.
    ///
    /// # Errors
    /// [`RecordDecodeError`] when the bytes are not a record of a known type and version.
    pub fn decode(value: Bytes) -> Result<Self, RecordDecodeError> {
        let mut reader = Reader::new(value);
        let frame_version = reader.read_uvarint()?;
        if frame_version != FRAME_VERSION {
            return Err(RecordDecodeError::FrameVersion(frame_version));
        }
        let kind = reader.read_uvarint()?;
        let version = reader.read_uvarint()?;
        // Out of the range of any message, so that the decoder says which version it met.
        let version = i16::try_from(version).unwrap_or(i16::MAX);
        let record = Self::decode_body(&mut reader, kind, version)?;
        match reader.remaining() {
            0 => Ok(record),
            trailing => Err(RecordDecodeError::TrailingBytes(trailing)),
        }
    }
}
