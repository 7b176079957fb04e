//! Snappy as Java clients write it (`SnappyOutputStream`: a 16-byte header, then blocks with a length
//! each) and raw, as librdkafka and Go clients may.

use super::{Compression, damaged, refused_to_compress};
use crate::records::RecordsError;

const MAGIC: &[u8] = b"\x82SNAPPY\0";
const HEADER_BYTES: usize = 16;
/// Java's block size.
const BLOCK_BYTES: usize = 32 * 1024;

pub(super) fn compress(input: &[u8]) -> Result<Vec<u8>, RecordsError> {
    let mut output = Vec::with_capacity(HEADER_BYTES + input.len() / 2 + 64);
    output.extend_from_slice(MAGIC);
    output.extend_from_slice(&1i32.to_be_bytes());
    output.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in input.chunks(BLOCK_BYTES) {
        let length_at = output.len();
        output.resize(length_at + 4 + snap::raw::max_compress_len(block.len()), 0);
        let written = encoder
            .compress(block, &mut output[length_at + 4..])
            .map_err(|error| refused_to_compress(Compression::Snappy, &error))?;
        output[length_at..length_at + 4].copy_from_slice(&(written as u32).to_be_bytes());
        output.truncate(length_at + 4 + written);
    }
    Ok(output)
}

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, RecordsError> {
    let mut output = Vec::new();
    if !input.starts_with(MAGIC) {
        append_block(&mut output, input, limit_bytes)?;
        return Ok(output);
    }
    let mut rest =
        input.get(HEADER_BYTES..).ok_or_else(|| damaged(Compression::Snappy, "framing header is cut"))?;
    while !rest.is_empty() {
        let Some((length, after)) = rest.split_first_chunk::<4>() else {
            return Err(damaged(Compression::Snappy, "block length is cut"));
        };
        let length = u32::from_be_bytes(*length) as usize;
        let Some(block) = after.get(..length) else {
            return Err(damaged(Compression::Snappy, "block is cut"));
        };
        append_block(&mut output, block, limit_bytes)?;
        rest = &after[length..];
    }
    Ok(output)
}

fn append_block(output: &mut Vec<u8>, block: &[u8], limit_bytes: usize) -> Result<(), RecordsError> {
    let claimed = snap::raw::decompress_len(block).map_err(|error| damaged(Compression::Snappy, error))?;
    if claimed > limit_bytes.saturating_sub(output.len()) {
        return Err(RecordsError::TooLarge { limit_bytes });
    }
    // A copy element of three bytes yields at most 64: a larger claim cannot be true and is not allocated.
    if claimed > block.len().saturating_mul(64) {
        return Err(damaged(Compression::Snappy, "claimed length exceeds what the block can hold"));
    }
    let from = output.len();
    output.resize(from + claimed, 0);
    let written = snap::raw::Decoder::new()
        .decompress(block, &mut output[from..])
        .map_err(|error| damaged(Compression::Snappy, error))?;
    output.truncate(from + written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_blocks_are_read_too() {
        let raw = snap::raw::Encoder::new().compress_vec(b"hello hello hello").unwrap();
        assert_eq!(decompress(&raw, 100).unwrap(), b"hello hello hello");
    }

    #[test]
    fn framing_is_javas() {
        let framed = compress(&[7u8; 40_000]).unwrap();
        assert_eq!(&framed[..16], b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01");
        assert_eq!(decompress(&framed, 40_000).unwrap(), [7u8; 40_000]);
    }
}
