//! How each Rust type of a message's fields looks on the wire.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::{DecodeError, EncodeError, Reader, Version, Writer};
use crate::error_code::ErrorCode;

/// A type that a field of a message may have.
pub trait Value: Sized {
    /// Appends the value.
    ///
    /// # Errors
    /// [`EncodeError`] when the version cannot express it.
    fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError>;

    /// Reads a value.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes are not one.
    fn read(reader: &mut Reader, version: Version) -> Result<Self, DecodeError>;

    /// What a reader assumes of a field that is not there: zero, empty, or null where null is
    /// possible. Nothing is lost when a version has no place for it. (A field with another default
    /// is compared with that instead.)
    fn is_vacant(&self) -> bool;
}

macro_rules! number {
    ($($type:ty, $read:ident, $write:ident;)*) => {$(
        impl Value for $type {
            fn write(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
                writer.$write(*self);
                Ok(())
            }
            fn read(reader: &mut Reader, _: Version) -> Result<Self, DecodeError> {
                reader.$read()
            }
            fn is_vacant(&self) -> bool {
                *self == <$type>::default()
            }
        }
    )*};
}

number! {
    i8, read_i8, write_i8;
    i16, read_i16, write_i16;
    u16, read_u16, write_u16;
    i32, read_i32, write_i32;
    u32, read_u32, write_u32;
    i64, read_i64, write_i64;
    f64, read_f64, write_f64;
}

impl Value for bool {
    fn write(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        writer.write_i8(i8::from(*self));
        Ok(())
    }

    fn read(reader: &mut Reader, _: Version) -> Result<Self, DecodeError> {
        Ok(reader.read_i8()? != 0)
    }

    fn is_vacant(&self) -> bool {
        !self
    }
}

impl Value for ErrorCode {
    fn write(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        writer.write_i16(self.0);
        Ok(())
    }

    fn read(reader: &mut Reader, _: Version) -> Result<Self, DecodeError> {
        reader.read_i16().map(ErrorCode)
    }

    fn is_vacant(&self) -> bool {
        *self == ErrorCode::NONE
    }
}

/// Types with a length in front, which can say null: the value behind `Option` is written the same
/// way with and without it.
trait Sequence: Sized {
    /// Strings have two bytes of length in classic versions, everything else four.
    const NARROW: bool;
    fn length(&self) -> usize;
    fn write_body(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError>;
    fn read_body(reader: &mut Reader, length: usize, version: Version) -> Result<Self, DecodeError>;
}

impl Sequence for String {
    const NARROW: bool = true;

    fn length(&self) -> usize {
        self.len()
    }

    fn write_body(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        writer.write_slice(self.as_bytes());
        Ok(())
    }

    fn read_body(reader: &mut Reader, length: usize, _: Version) -> Result<Self, DecodeError> {
        reader.read_str(length)
    }
}

impl Sequence for Bytes {
    const NARROW: bool = false;

    fn length(&self) -> usize {
        self.len()
    }

    fn write_body(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        writer.write_slice(self);
        Ok(())
    }

    fn read_body(reader: &mut Reader, length: usize, _: Version) -> Result<Self, DecodeError> {
        reader.read_slice(length)
    }
}

impl<T: Value> Sequence for Vec<T> {
    const NARROW: bool = false;

    fn length(&self) -> usize {
        self.len()
    }

    fn write_body(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
        self.iter().try_for_each(|element| element.write(writer, version))
    }

    fn read_body(reader: &mut Reader, length: usize, version: Version) -> Result<Self, DecodeError> {
        reader.read_elements(length, version)
    }
}

/// The records of a fetch response: in memory, or bytes in a file that the connection will send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordSet {
    /// Record batches in memory.
    Memory(Bytes),
    /// This many bytes, inserted by the connection (see [`super::Hole`]).
    External(usize),
}

impl RecordSet {
    /// Length in bytes, wherever they are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(bytes) => bytes.len(),
            Self::External(length) => *length,
        }
    }

    /// There are no records.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, when they are in memory: always, for a decoded message.
    #[must_use]
    pub fn in_memory(&self) -> Option<&Bytes> {
        match self {
            Self::Memory(bytes) => Some(bytes),
            Self::External(_) => None,
        }
    }
}

impl Default for RecordSet {
    fn default() -> Self {
        Self::Memory(Bytes::new())
    }
}

impl Sequence for RecordSet {
    const NARROW: bool = false;

    fn length(&self) -> usize {
        self.len()
    }

    fn write_body(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        match self {
            Self::Memory(bytes) => writer.write_slice(bytes),
            Self::External(length) => writer.write_hole(*length),
        }
        Ok(())
    }

    fn read_body(reader: &mut Reader, length: usize, _: Version) -> Result<Self, DecodeError> {
        reader.read_slice(length).map(Self::Memory)
    }
}

fn write_sequence<T: Sequence>(value: &T, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
    writer.write_length(Some(value.length()), version, T::NARROW)?;
    value.write_body(writer, version)
}

fn read_sequence<T: Sequence>(reader: &mut Reader, version: Version) -> Result<T, DecodeError> {
    let length = reader.read_length(version, T::NARROW)?;
    T::read_body(reader, length, version)
}

fn read_nullable_sequence<T: Sequence>(
    reader: &mut Reader,
    version: Version,
) -> Result<Option<T>, DecodeError> {
    let length = reader.read_nullable_length(version, T::NARROW)?;
    length.map(|length| T::read_body(reader, length, version)).transpose()
}

macro_rules! sequence {
    ($([$($generic:tt)*] $type:ty;)*) => {$(
        impl<$($generic)*> Value for $type {
            fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
                write_sequence(self, writer, version)
            }
            fn read(reader: &mut Reader, version: Version) -> Result<Self, DecodeError> {
                read_sequence(reader, version)
            }
            fn is_vacant(&self) -> bool {
                self.length() == 0
            }
        }

        impl<$($generic)*> Value for Option<$type> {
            fn write(&self, writer: &mut Writer, version: Version) -> Result<(), EncodeError> {
                match self {
                    Some(value) => write_sequence(value, writer, version),
                    None => writer.write_length(None, version, <$type as Sequence>::NARROW),
                }
            }
            fn read(reader: &mut Reader, version: Version) -> Result<Self, DecodeError> {
                read_nullable_sequence(reader, version)
            }
            fn is_vacant(&self) -> bool {
                self.is_none()
            }
        }
    )*};
}

sequence! {
    [] String;
    [] Bytes;
    [] RecordSet;
    [T: Value] Vec<T>;
}

/// A topic or directory id: 128 bits, shown as Kafka shows them, in URL-safe base64 without padding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// All zeros: "no id".
    pub const ZERO: Self = Self([0; 16]);

    /// There is no id.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.chunks(3) {
            let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            for position in 0..=chunk.len() {
                let index = bits >> (18 - 6 * position) & 63;
                write!(f, "{}", char::from(BASE64_URL[index as usize]))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

/// The text is not 22 characters of URL-safe base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id has 22 characters of URL-safe base64")]
pub struct ParseUuidError;

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        let text = text.trim_end_matches('=');
        if text.len() != 22 {
            return Err(ParseUuidError);
        }
        let mut bits = 0_u128;
        for (position, byte) in text.bytes().enumerate() {
            let digit =
                BASE64_URL.iter().position(|candidate| *candidate == byte).ok_or(ParseUuidError)? as u128;
            // The last character carries two bits of the id; its other four are padding.
            bits = if position == 21 { bits << 2 | digit >> 4 } else { bits << 6 | digit };
        }
        Ok(Self(bits.to_be_bytes()))
    }
}

impl Value for Uuid {
    fn write(&self, writer: &mut Writer, _: Version) -> Result<(), EncodeError> {
        writer.write_slice(&self.0);
        Ok(())
    }

    fn read(reader: &mut Reader, _: Version) -> Result<Self, DecodeError> {
        reader.read_uuid().map(Self)
    }

    fn is_vacant(&self) -> bool {
        self.is_zero()
    }
}
