//! The five codecs of record batches, each with bounded output: a decoder never holds more than the
//! caller's limit, whatever the compressed bytes claim. Must never know what it compresses.

mod lz4;
mod snappy;
mod zstd;

use std::fmt;
use std::io::{self, Read, Write};

use bytes::Bytes;

use super::RecordsError;

pub(super) use lz4::{break_header_checksum, mend_header_checksum};

/// A codec, by Kafka's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Compression {
    /// Records as they are.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// Snappy blocks in the framing of Java's snappy library; raw blocks are read too.
    Snappy,
    /// LZ4 frames.
    Lz4,
    /// Zstandard (KIP-110).
    Zstd,
}

impl Compression {
    /// All codecs, in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec of the low three attribute bits.
    ///
    /// # Errors
    /// [`RecordsError::UnknownCodec`].
    pub fn from_bits(bits: u8) -> Result<Self, RecordsError> {
        Self::ALL.get(usize::from(bits)).copied().ok_or(RecordsError::UnknownCodec(bits))
    }

    /// The low three attribute bits.
    #[must_use]
    pub fn bits(self) -> u8 {
        self as u8
    }

    /// Kafka's name, as in `compression.type`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The codec of that name (Kafka's `CompressionType.forName`).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.name() == name)
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Decompresses `input` into at most `limit_bytes`.
///
/// # Errors
/// [`RecordsError::Decompress`] when the bytes are not that codec's, [`RecordsError::TooLarge`] when they
/// hold more than the limit.
pub fn decompress(codec: Compression, input: &[u8], limit_bytes: usize) -> Result<Bytes, RecordsError> {
    let output = match codec {
        Compression::None if input.len() > limit_bytes => return Err(RecordsError::TooLarge { limit_bytes }),
        Compression::None => input.to_vec(),
        Compression::Gzip => {
            read_bounded(codec, flate2::bufread::MultiGzDecoder::new(input), input.len(), limit_bytes)?
        }
        Compression::Snappy => snappy::decompress(input, limit_bytes)?,
        Compression::Lz4 => lz4::decompress(input, limit_bytes)?,
        Compression::Zstd => zstd::decompress(input, limit_bytes)?,
    };
    Ok(Bytes::from(output))
}

/// Compresses `input` at the codec's default level.
///
/// # Errors
/// [`RecordsError::Compress`].
pub fn compress(codec: Compression, input: &[u8]) -> Result<Vec<u8>, RecordsError> {
    match codec {
        Compression::None => Ok(input.to_vec()),
        Compression::Gzip => gzip(input).map_err(|error| refused_to_compress(codec, &error)),
        Compression::Snappy => snappy::compress(input),
        Compression::Lz4 => lz4::compress(input),
        Compression::Zstd => zstd::compress(input),
    }
}

fn gzip(input: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(
        Vec::with_capacity(input.len() / 2 + 64),
        flate2::Compression::default(),
    );
    encoder.write_all(input)?;
    encoder.finish()
}

fn damaged(codec: Compression, reason: impl fmt::Display) -> RecordsError {
    RecordsError::Decompress { codec, reason: reason.to_string() }
}

fn refused_to_compress(codec: Compression, reason: &dyn fmt::Display) -> RecordsError {
    RecordsError::Compress { codec, reason: reason.to_string() }
}

/// Reads a decoder to its end, growing the output as it comes and never past the limit.
fn read_bounded(
    codec: Compression,
    decoder: impl Read,
    input_bytes: usize,
    limit_bytes: usize,
) -> Result<Vec<u8>, RecordsError> {
    let mut output = Vec::with_capacity(input_bytes.saturating_mul(4).min(limit_bytes));
    let mut bounded = decoder.take(limit_bytes as u64 + 1);
    bounded.read_to_end(&mut output).map_err(|error| damaged(codec, error))?;
    if output.len() > limit_bytes {
        return Err(RecordsError::TooLarge { limit_bytes });
    }
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_codec() -> impl Strategy<Value = Compression> {
        proptest::sample::select(Compression::ALL.to_vec())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn what_is_compressed_is_decompressed(codec in any_codec(), data in proptest::collection::vec(0u8..8, 0..100_000)) {
            let packed = compress(codec, &data).unwrap();
            prop_assert_eq!(&decompress(codec, &packed, data.len()).unwrap()[..], &data[..]);
            if !data.is_empty() {
                let error = decompress(codec, &packed, data.len() - 1).unwrap_err();
                prop_assert_eq!(error, RecordsError::TooLarge { limit_bytes: data.len() - 1 });
            }
        }

        #[test]
        fn garbage_never_panics_and_stays_in_its_limit(codec in any_codec(), data: Vec<u8>, flip: usize) {
            if let Ok(out) = decompress(codec, &data, 1000) {
                prop_assert!(out.len() <= 1000);
            }
            let mut packed = compress(codec, &data).unwrap();
            let at = flip % packed.len().max(1);
            if let Some(byte) = packed.get_mut(at) {
                *byte ^= 0x55;
            }
            if let Ok(out) = decompress(codec, &packed, 1000) {
                prop_assert!(out.len() <= 1000);
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        let zeros = vec![0u8; 64 << 20];
        for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
            let bomb = compress(codec, &zeros).unwrap();
            let error = decompress(codec, &bomb, 1 << 20).unwrap_err();
            assert_eq!(error, RecordsError::TooLarge { limit_bytes: 1 << 20 }, "{codec}");
        }
    }
}
