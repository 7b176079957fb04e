//! A cursor over one frame. Slices share the frame's allocation; no length is believed before the
//! bytes behind it are seen.

use bytes::{Buf, Bytes};

use super::{DecodeError, NARROW_LENGTH_MAX, Value, Version};

/// Elements reserved before the first of them was read, however large they are.
const RESERVED_ELEMENTS_MIN: usize = 4;

/// Reads values from the front of a buffer.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(super) bytes: Bytes,
    /// Entries of lists that may still be read.
    pub(super) entries_left: usize,
    /// What is read is invented rather than decoded.
    #[cfg(test)]
    pub(super) inventing: bool,
}

macro_rules! fixed {
    ($($name:ident -> $type:ty, $get:ident;)*) => {$(
        #[doc = concat!("One big-endian `", stringify!($type), "`.")]
        ///
        /// # Errors
        /// [`DecodeError::Truncated`] when the input is too short.
        pub fn $name(&mut self) -> Result<$type, DecodeError> {
            #[cfg(test)]
            if self.inventing {
                return Ok(<$type>::from_be_bytes(self.invent_number()));
            }
            self.need(size_of::<$type>())?;
            Ok(self.bytes.$get())
        }
    )*};
}

impl Reader {
    /// Starts at the front of `bytes`.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            entries_left: usize::MAX,
            #[cfg(test)]
            inventing: false,
        }
    }

    /// Lets at most `max` entries be read, in all lists together: an entry may be as short as a byte, and
    /// what is made of it, or answered to it, a hundred times as large.
    pub fn limit_entries(&mut self, max: usize) {
        self.entries_left = max;
    }

    /// Entries of lists that may still be read.
    #[must_use]
    pub fn entries_left(&self) -> usize {
        self.entries_left
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

    /// Sixteen bytes that are no number.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when fewer are left.
    pub fn read_uuid(&mut self) -> Result<[u8; 16], DecodeError> {
        let mut id = [0; 16];
        self.need(id.len())?;
        self.bytes.copy_to_slice(&mut id);
        Ok(id)
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

    /// Length of a string, byte sequence or array that may not be null.
    ///
    /// Any length beyond the bytes that are left is refused, since no element is shorter than a
    /// byte: this is what bounds allocation by the size of the input. `narrow` lengths, those of
    /// strings, end at 32767 in flexible versions too, as in Kafka.
    ///
    /// # Errors
    /// [`DecodeError::BadLength`], or what reading the length itself meets.
    pub fn read_length(&mut self, version: Version, narrow: bool) -> Result<usize, DecodeError> {
        #[cfg(test)]
        if self.inventing {
            return Ok(self.invent_length());
        }
        let length = self.read_raw_length(version, narrow)?;
        self.check_length(length, narrow)
    }

    /// Length of a string, byte sequence or array, or `None` for null.
    ///
    /// # Errors
    /// Those of [`Reader::read_length`].
    pub fn read_nullable_length(
        &mut self,
        version: Version,
        narrow: bool,
    ) -> Result<Option<usize>, DecodeError> {
        #[cfg(test)]
        if self.inventing {
            return Ok(self.invent_nullable_length());
        }
        match self.read_raw_length(version, narrow)? {
            -1 => Ok(None),
            length => self.check_length(length, narrow).map(Some),
        }
    }

    fn read_raw_length(&mut self, version: Version, narrow: bool) -> Result<i64, DecodeError> {
        Ok(if version.flexible {
            i64::from(self.read_uvarint()?) - 1
        } else if narrow {
            i64::from(self.read_i16()?)
        } else {
            i64::from(self.read_i32()?)
        })
    }

    fn check_length(&self, length: i64, narrow: bool) -> Result<usize, DecodeError> {
        let remaining = self.remaining();
        let limit = if narrow { remaining.min(NARROW_LENGTH_MAX) } else { remaining };
        usize::try_from(length)
            .ok()
            .filter(|length| *length <= limit)
            .ok_or(DecodeError::BadLength { length, remaining })
    }

    /// A string of `length` bytes.
    ///
    /// # Errors
    /// [`DecodeError::NotUtf8`], [`DecodeError::Truncated`].
    pub fn read_str(&mut self, length: usize) -> Result<String, DecodeError> {
        #[cfg(test)]
        if self.inventing {
            return Ok(self.invent_str(length));
        }
        self.need(length)?;
        let text = std::str::from_utf8(&self.bytes[..length]).map_err(|_| DecodeError::NotUtf8)?.to_owned();
        self.bytes.advance(length);
        Ok(text)
    }

    /// `length` values one after another.
    ///
    /// A length that lies reserves about as many bytes as the input has left; growth beyond that is
    /// paid for by elements that were there, and ends at `length`.
    ///
    /// # Errors
    /// [`DecodeError::TooManyEntries`], or what reading an element meets.
    pub fn read_elements<T: Value>(
        &mut self,
        length: usize,
        version: Version,
    ) -> Result<Vec<T>, DecodeError> {
        let left = self.entries_left.checked_sub(length);
        self.entries_left = left.ok_or(DecodeError::TooManyEntries { length, left: self.entries_left })?;
        let affordable = self.remaining() / size_of::<T>().max(1);
        let mut elements = Vec::with_capacity(length.min(affordable.max(RESERVED_ELEMENTS_MIN)));
        for read in 0..length {
            if read == elements.capacity() {
                elements.reserve_exact(read.min(length - read));
            }
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
        #[cfg(test)]
        if self.inventing {
            return self.invent_tagged_fields(known);
        }
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
            field.entries_left = self.entries_left;
            let is_known = known(tag, &mut field)?;
            self.entries_left = field.entries_left;
            if is_known && field.remaining() > 0 {
                return Err(DecodeError::BadTaggedField { tag, reason: "longer than its value" });
            }
        }
        Ok(())
    }

    fn need(&mut self, needed: usize) -> Result<(), DecodeError> {
        #[cfg(test)]
        if self.inventing {
            self.pad(needed);
        }
        let remaining = self.remaining();
        if remaining < needed { Err(DecodeError::Truncated { needed, remaining }) } else { Ok(()) }
    }
}
