//! One batch, and the walk over concatenated batches. Nothing is copied; nothing is decompressed before
//! [`Batch::body`] is called.

use bytes::Bytes;

use super::header::CRC_FROM;
use super::record::{RecordRefs, Records};
use super::{BATCH_HEADER_BYTES, BatchHeader, Compression, RecordsError, crc32c, decompress};

/// A whole batch: its header, read, and its bytes, header included.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The fixed fields.
    pub header: BatchHeader,
    /// The batch's bytes, exactly.
    pub bytes: Bytes,
}

impl Batch {
    /// Takes the batch at the front of `bytes`, which may hold more.
    ///
    /// # Errors
    /// What [`BatchHeader::parse`] refuses, and [`RecordsError::Short`] when the batch is cut.
    pub fn parse(bytes: &Bytes) -> Result<Self, RecordsError> {
        let header = BatchHeader::parse(bytes)?;
        let needed = header.size_bytes();
        if bytes.len() < needed {
            return Err(RecordsError::Short { needed, available: bytes.len() });
        }
        Ok(Self { header, bytes: bytes.slice(..needed) })
    }

    /// Computes the checksum and compares it with the stored one.
    ///
    /// # Errors
    /// [`RecordsError::Crc`].
    pub fn check_crc(&self) -> Result<(), RecordsError> {
        let computed = crc32c(&self.bytes[CRC_FROM..]);
        if computed == self.header.crc {
            Ok(())
        } else {
            Err(RecordsError::Crc { stored: self.header.crc, computed })
        }
    }

    /// Structure, fields and checksum: all that can be known without decompressing.
    ///
    /// # Errors
    /// What [`BatchHeader::check_fields`] and [`Batch::check_crc`] refuse.
    pub fn validate(&self) -> Result<(), RecordsError> {
        self.check_crc()?;
        self.header.check_fields()
    }

    /// The records' bytes, decompressed to at most `limit_bytes`.
    ///
    /// # Errors
    /// A codec's refusal, or [`RecordsError::TooLarge`].
    pub fn body(&self, limit_bytes: usize) -> Result<Body, RecordsError> {
        let payload = self.bytes.slice(BATCH_HEADER_BYTES..);
        let data = match self.header.attributes.compression()? {
            Compression::None => payload,
            codec => decompress(codec, &payload, limit_bytes)?,
        };
        Ok(Body { header: self.header, data })
    }

    /// The records, owned (as slices of one buffer). See [`Batch::body`] for the limit and errors.
    ///
    /// # Errors
    /// As [`Batch::body`].
    pub fn records(&self, limit_bytes: usize) -> Result<Records, RecordsError> {
        Ok(self.body(limit_bytes)?.into_records())
    }
}

/// A batch's records, decompressed.
#[derive(Debug, Clone)]
pub struct Body {
    /// The batch's header.
    pub header: BatchHeader,
    /// Records, one after the other.
    pub data: Bytes,
}

impl Body {
    /// Walks the records as borrowed views; ends after the first error.
    #[must_use]
    pub fn refs(&self) -> RecordRefs<'_> {
        RecordRefs::new(&self.header, &self.data)
    }

    /// Walks the records as slices that own a share of the buffer; ends after the first error.
    #[must_use]
    pub fn into_records(self) -> Records {
        Records::new(self)
    }
}

/// Walks concatenated batches. Yields an error once, then ends.
#[derive(Debug, Clone)]
pub struct Batches {
    rest: Bytes,
}

impl Batches {
    /// Walks `bytes` from the front.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self { rest: bytes }
    }

    /// What has not been walked yet. After a [`RecordsError::Short`] it is empty.
    #[must_use]
    pub fn rest(&self) -> &Bytes {
        &self.rest
    }

    /// Walks only the batches that are whole: a cut one at the end, which a fetch response may carry, ends
    /// the walk without an error.
    pub fn whole(self) -> impl Iterator<Item = Result<Batch, RecordsError>> {
        self.take_while(|batch| !matches!(batch, Err(RecordsError::Short { .. })))
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, RecordsError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match Batch::parse(&self.rest) {
            Ok(batch) => {
                self.rest = self.rest.slice(batch.bytes.len()..);
                Some(Ok(batch))
            }
            Err(error) => {
                self.rest = Bytes::new();
                Some(Err(error))
            }
        }
    }
}
