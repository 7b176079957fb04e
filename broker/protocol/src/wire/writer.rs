//! Collects an encoded message. Record sets that live in files are left out as holes, which the
//! connection fills from the page cache.

use bytes::{BufMut, Bytes, BytesMut};

use super::{EncodeError, NARROW_LENGTH_MAX, Value, Version};

/// Bytes that belong to the message but not to its buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// Where in the buffer they are to be inserted.
    pub position: usize,
    /// How many there are.
    pub length: usize,
}

/// Appends values to a growing buffer.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: BytesMut,
    holes: Vec<Hole>,
}

macro_rules! fixed {
    ($($name:ident($type:ty), $put:ident;)*) => {$(
        #[doc = concat!("One big-endian `", stringify!($type), "`.")]
        pub fn $name(&mut self, value: $type) {
            self.bytes.$put(value);
        }
    )*};
}

impl Writer {
    /// An empty writer with room for `capacity` bytes.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: BytesMut::with_capacity(capacity), holes: Vec::new() }
    }

    /// Length of the message so far in bytes, holes included.
    #[must_use]
    pub fn total_len(&self) -> usize {
        self.bytes.len() + self.holes.iter().map(|hole| hole.length).sum::<usize>()
    }

    /// Bytes in the buffer, without holes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The buffer and the holes in it, in ascending order.
    #[must_use]
    pub fn finish(self) -> (Bytes, Vec<Hole>) {
        (self.bytes.freeze(), self.holes)
    }

    /// The buffer, when that is the whole message.
    ///
    /// # Errors
    /// [`EncodeError::RecordsElsewhere`] when there are holes in it.
    pub fn finish_whole(self) -> Result<Bytes, EncodeError> {
        if self.holes.is_empty() { Ok(self.bytes.freeze()) } else { Err(EncodeError::RecordsElsewhere) }
    }

    /// Overwrites four bytes that were written before: frame lengths are known last.
    pub fn patch_i32(&mut self, position: usize, value: i32) {
        self.bytes[position..position + 4].copy_from_slice(&value.to_be_bytes());
    }

    fixed! {
        write_i8(i8), put_i8;
        write_i16(i16), put_i16;
        write_u16(u16), put_u16;
        write_i32(i32), put_i32;
        write_u32(u32), put_u32;
        write_i64(i64), put_i64;
        write_f64(f64), put_f64;
    }

    /// Raw bytes without a length.
    pub fn write_slice(&mut self, bytes: &[u8]) {
        self.bytes.put_slice(bytes);
    }

    /// Leaves out `length` bytes that the connection will insert here.
    pub fn write_hole(&mut self, length: usize) {
        if length > 0 {
            self.holes.push(Hole { position: self.bytes.len(), length });
        }
    }

    /// An unsigned varint (KIP-482).
    pub fn write_uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.bytes.put_u8((value as u8) | 0x80);
            value >>= 7;
        }
        self.bytes.put_u8(value as u8);
    }

    /// Length of a string, byte sequence or array; `None` is null.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] when the length field cannot say it.
    pub fn write_length(
        &mut self,
        length: Option<usize>,
        version: Version,
        narrow: bool,
    ) -> Result<(), EncodeError> {
        let limit = if narrow { NARROW_LENGTH_MAX } else { i32::MAX as usize - 1 };
        if let Some(length) = length.filter(|length| *length > limit) {
            return Err(EncodeError::TooLong { length });
        }
        if version.flexible {
            self.write_uvarint(length.map_or(0, |length| length as u32 + 1));
        } else if narrow {
            self.write_i16(length.map_or(-1, |length| length as i16));
        } else {
            self.write_i32(length.map_or(-1, |length| length as i32));
        }
        Ok(())
    }

    /// A tagged field: its tag, its length, its value.
    ///
    /// # Errors
    /// What writing the value meets; [`EncodeError::RecordsElsewhere`], since its length must be known.
    pub fn write_tagged<T: Value>(
        &mut self,
        tag: u32,
        value: &T,
        version: Version,
    ) -> Result<(), EncodeError> {
        let mut field = Writer::default();
        value.write(&mut field, version)?;
        let field = field.finish_whole()?;
        self.write_uvarint(tag);
        self.write_uvarint(field.len() as u32);
        self.bytes.put_slice(&field);
        Ok(())
    }
}
