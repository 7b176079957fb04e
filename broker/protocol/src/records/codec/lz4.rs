//! LZ4 frames as `Lz4BlockOutputStream` writes them (64 KiB independent blocks, no checksums), and the
//! quirk of message format v0, whose header checksum also covers the frame's magic number (KAFKA-3160).

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Compression, damaged, read_bounded, refused_to_compress};
use crate::records::RecordsError;

const FRAME_MAGIC: [u8; 4] = 0x184D_2204u32.to_le_bytes();

pub(super) fn compress(input: &[u8]) -> Result<Vec<u8>, RecordsError> {
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let output = Vec::with_capacity(input.len() / 2 + 64);
    let mut encoder = FrameEncoder::with_frame_info(info, output);
    let written =
        encoder.write_all(input).map_err(lz4_flex::frame::Error::from).and_then(|()| encoder.finish());
    written.map_err(|error| refused_to_compress(Compression::Lz4, &error))
}

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, RecordsError> {
    if !input.starts_with(&FRAME_MAGIC) {
        return Err(damaged(Compression::Lz4, "no frame magic"));
    }
    read_bounded(Compression::Lz4, FrameDecoder::new(input), input.len(), limit_bytes)
}

/// Gives a frame of message format v0 the header checksum that the LZ4 specification asks for.
pub(in crate::records) fn mend_header_checksum(frame: &mut [u8]) {
    set_header_checksum(frame, FRAME_MAGIC.len());
}

/// Gives a frame the header checksum that readers of message format v0 expect.
pub(in crate::records) fn break_header_checksum(frame: &mut [u8]) {
    set_header_checksum(frame, 0);
}

fn set_header_checksum(frame: &mut [u8], covered_from: usize) {
    let Some(&flags) = frame.get(4) else { return };
    let content_size = if flags & 0x08 != 0 { 8 } else { 0 };
    let dictionary = if flags & 0x01 != 0 { 4 } else { 0 };
    let checksum_at = 6 + content_size + dictionary;
    // No known writer of v0 names a dictionary; the short hash below covers all others.
    if frame.len() <= checksum_at || dictionary != 0 || !frame.starts_with(&FRAME_MAGIC) {
        return;
    }
    frame[checksum_at] = (xxh32_short(&frame[covered_from..checksum_at]) >> 8) as u8;
}

/// XXH32 with seed 0 of fewer than 16 bytes, which is all that a frame header needs.
fn xxh32_short(input: &[u8]) -> u32 {
    const PRIME_1: u32 = 2_654_435_761;
    const PRIME_2: u32 = 2_246_822_519;
    const PRIME_3: u32 = 3_266_489_917;
    const PRIME_4: u32 = 668_265_263;
    const PRIME_5: u32 = 374_761_393;
    let mut hash = PRIME_5.wrapping_add(input.len() as u32);
    let (words, tail) = input.as_chunks::<4>();
    for word in words {
        hash = hash.wrapping_add(u32::from_le_bytes(*word).wrapping_mul(PRIME_3));
        hash = hash.rotate_left(17).wrapping_mul(PRIME_4);
    }
    for &byte in tail {
        hash = hash.wrapping_add(u32::from(byte).wrapping_mul(PRIME_5));
        hash = hash.rotate_left(11).wrapping_mul(PRIME_1);
    }
    hash = (hash ^ (hash >> 15)).wrapping_mul(PRIME_2);
    hash = (hash ^ (hash >> 13)).wrapping_mul(PRIME_3);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_format_v0_are_mended() {
        let good = compress(b"some text, some text, some text").unwrap();
        let mut frame = good.clone();
        break_header_checksum(&mut frame);
        assert_ne!(frame, good);
        assert!(decompress(&frame, 100).is_err());
        mend_header_checksum(&mut frame);
        assert_eq!(frame, good);
    }

    #[test]
    fn short_and_odd_frames_are_left_alone() {
        for frame in [&b""[..], b"\x04\x22\x4d\x18", b"\x04\x22\x4d\x18\x61\x40\x82", &[0xff; 20]] {
            mend_header_checksum(&mut frame.to_vec());
        }
    }
}
