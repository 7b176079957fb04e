//! What the outermost structure of a message knows about itself. The derive macro implements
//! these traits; nothing else does.

use bytes::Bytes;

use crate::api_key::ApiKey;
use crate::wire::{DecodeError, EncodeError, Reader, Value, Version, Writer};

/// Versions from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VersionRange {
    /// The oldest version.
    pub first: i16,
    /// The newest version.
    pub last: i16,
}

impl VersionRange {
    /// Whether `number` lies in the range.
    #[must_use]
    pub fn contains(self, number: i16) -> bool {
        (self.first..=self.last).contains(&number)
    }

    /// Every version, oldest first.
    pub fn iter(self) -> impl Iterator<Item = i16> {
        self.first..=self.last
    }
}

/// A message: a request, a response, a record of a log, or a blob inside one of those.
pub trait Message: Value + Default {
    /// Kafka's name of it.
    const NAME: &'static str;
    /// Versions that can be read and written.
    const VERSIONS: VersionRange;
    /// The first version with compact lengths and tagged fields (KIP-482).
    const FLEXIBLE_FROM: Option<i16>;

    /// `number`, with the flexibility that it implies for this message.
    ///
    /// # Errors
    /// Gives the number back when it is outside [`Message::VERSIONS`].
    fn version(number: i16) -> Result<Version, i16> {
        if !Self::VERSIONS.contains(number) {
            return Err(number);
        }
        Ok(Version { number, flexible: Self::FLEXIBLE_FROM.is_some_and(|first| number >= first) })
    }

    /// Appends the message in version `number`.
    ///
    /// # Errors
    /// [`EncodeError`] when that version cannot express it.
    fn encode(&self, writer: &mut Writer, number: i16) -> Result<(), EncodeError> {
        let version = Self::version(number).map_err(EncodeError::UnsupportedVersion)?;
        self.write(writer, version)
    }

    /// Reads the message in version `number`.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not one.
    fn decode(reader: &mut Reader, number: i16) -> Result<Self, DecodeError> {
        let version = Self::version(number).map_err(DecodeError::UnsupportedVersion)?;
        Self::read(reader, version)
    }
}

/// A message that asks.
pub trait Request: Message {
    /// The API it belongs to.
    const API_KEY: ApiKey;
    /// The message that answers it, in the same version.
    type Response: Message;
}

/// A record of the metadata log or of `__consumer_offsets`.
pub trait LogRecord: Message {
    /// The number in front of it that tells its type.
    const RECORD_TYPE: i16;
}

/// The message's bytes in version `number`, without header or frame.
///
/// # Errors
/// [`EncodeError`] when that version cannot express it, or its records are in files.
pub fn encode_to_bytes<M: Message>(message: &M, number: i16) -> Result<Bytes, EncodeError> {
    let mut writer = Writer::default();
    message.encode(&mut writer, number)?;
    writer.finish_whole()
}

/// Reads a message in version `number` that fills `bytes` to the last one.
///
/// # Errors
/// [`DecodeError`] when the bytes are not one, or more than one.
pub fn decode_from_bytes<M: Message>(bytes: Bytes, number: i16) -> Result<M, DecodeError> {
    let mut reader = Reader::new(bytes);
    let message = M::decode(&mut reader, number)?;
    match reader.remaining() {
        0 => Ok(message),
        trailing => Err(DecodeError::TrailingBytes(trailing)),
    }
}
