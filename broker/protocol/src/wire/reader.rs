//! A cursor over one frame. Slices share the frame's allocation; no length is believed before the
//! bytes behind it are seen.

use bytes::{Buf, Bytes};

use super::{DecodeError, Value, Version};

/// Most elements reserved before the first of them was read.
const RESERVED_ELEMENTS_MAX: usize = 64;

/// Reads values from the front of a buffer.
#[derive(Debug, Clone)]
pub struct Reader {
    bytes: Bytes,
}

macro_rules! fixed {
    ($($name:ident -> $type:ty, $get:ident;)*) => {$(
        #[doc = concat!("One big-endian `", stringify!($type), "`.")]
        ///
        /// # Errors
        /// [`DecodeError::Truncated`] when the input is too short.
        pub fn $name(&mut self) -> Result<$type, DecodeError> {
            self.need(size_of::<$type>())?;
            Ok(self.bytes.$get())
        }
    )*};
}

impl Reader {
    /// Starts at the front of `bytes`.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes }
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes not yet read.
    #[must_use]
    pub fn into_rest(self) -> Bytes {
        self.bytes
    }

    fixed! {
        read_i8 -> i8, get_i8;
        read_i16 -> i16, get_i16;
        read_u16 -> u16, get_u16;
        read_i32 -> i32, get_i32;
        read_u32 -> u32, get_u32;
        read_i64 -> i64, get_i64;
        read_f64 -> f64, get_f64;
    }

    /// `length` bytes, sharing the frame's allocation.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    pub fn read_slice(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        self.need(length)?;
        Ok(self.bytes.split_to(length))
    }

    /// An unsigned varint of at most 32 bits (KIP-482).
    ///
    /// # Errors
    /// [`DecodeError::VarintTooLong`] beyond five bytes or 32 bits, [`DecodeError::Truncated`].
    pub fn read_uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0_u32;
        for shift in (0..=28).step_by(7) {
            let byte = self.read_i8()? as u8;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0x0f {
                return Err(DecodeError::VarintTooLong);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong)
    }

    /// Length of a string, byte sequence or array; `None` is null.
    ///
    /// Any length beyond the bytes that are left is refused, since no element is shorter than a
    /// byte: this is what bounds allocation by the size of the input.
    ///
    /// # Errors
    /// [`DecodeError::BadLength`], or what reading the length itself meets.
    pub fn read_length(&mut self, version: Version, narrow: bool) -> Result<Option<usize>, DecodeError> {
        let length = if version.flexible {
            i64::from(self.read_uvarint()?) - 1
        } else if narrow {
            i64::from(self.read_i16()?)
        } else {
            i64::from(self.read_i32()?)
        };
        match usize::try_from(length) {
            Ok(length) if length <= self.remaining() => Ok(Some(length)),
            Err(_) if length == -1 => Ok(None),
            _ => Err(DecodeError::BadLength { length, remaining: self.remaining() }),
        }
    }

    /// A string of `length` bytes.
    ///
    /// # Errors
    /// [`DecodeError::NotUtf8`], [`DecodeError::Truncated`].
    pub fn read_str(&mut self, length: usize) -> Result<String, DecodeError> {
        self.need(length)?;
        let text = std::str::from_utf8(&self.bytes[..length]).map_err(|_| DecodeError::NotUtf8)?.to_owned();
        self.bytes.advance(length);
        Ok(text)
    }

    /// `length` values one after another.
    ///
    /// # Errors
    /// What reading an element meets.
    pub fn read_elements<T: Value>(
        &mut self,
        length: usize,
        version: Version,
    ) -> Result<Vec<T>, DecodeError> {
        let mut elements = Vec::with_capacity(length.min(RESERVED_ELEMENTS_MAX));
        for _ in 0..length {
            elements.push(T::read(self, version)?);
        }
        Ok(elements)
    }

    /// Reads the tagged section of a flexible structure: `known` is called for each field and says
    /// whether it consumed it; unknown fields are skipped (KIP-482).
    ///
    /// # Errors
    /// [`DecodeError::BadTaggedField`] for tags out of order or a field longer than its value.
    pub fn read_tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Reader) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.read_uvarint()?;
        let mut previous: Option<u32> = None;
        for _ in 0..count {
            let tag = self.read_uvarint()?;
            if previous.is_some_and(|p| p >= tag) {
                return Err(DecodeError::BadTaggedField { tag, reason: "tags must ascend" });
            }
            previous = Some(tag);
            let length = self.read_uvarint()? as usize;
            let mut field = Reader::new(self.read_slice(length)?);
            if known(tag, &mut field)? && field.remaining() > 0 {
                return Err(DecodeError::BadTaggedField { tag, reason: "longer than its value" });
            }
        }
        Ok(())
    }

    fn need(&self, needed: usize) -> Result<(), DecodeError> {
        let remaining = self.remaining();
        if remaining < needed { Err(DecodeError::Truncated { needed, remaining }) } else { Ok(()) }
    }
}
