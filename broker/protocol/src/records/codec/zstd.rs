//! Zstandard in one shot: decoded straight into the output, so that no window (up to 128 MiB by a frame's
//! own claim) is ever allocated. Contexts are kept for each thread, because making one costs more than a
//! small batch.

use std::cell::RefCell;

use zstd::zstd_safe::{self, CCtx, DCtx};

use super::{Compression, damaged, refused_to_compress};
use crate::records::RecordsError;

/// The library's error code for an output that is too small (`ZSTD_error_dstSize_tooSmall`).
const DESTINATION_TOO_SMALL: usize = 70;
const LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;

thread_local! {
    static DECODER: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
    static ENCODER: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
}

pub(super) fn compress(input: &[u8]) -> Result<Vec<u8>, RecordsError> {
    let mut output = Vec::with_capacity(zstd_safe::compress_bound(input.len()));
    ENCODER
        .with_borrow_mut(|encoder| encoder.compress(&mut output, input, LEVEL))
        .map_err(|code| refused_to_compress(Compression::Zstd, &zstd_safe::get_error_name(code)))?;
    Ok(output)
}

pub(super) fn decompress(input: &[u8], limit_bytes: usize) -> Result<Vec<u8>, RecordsError> {
    // A frame's claim is only a first guess: it may be absent, and more frames may follow.
    let claimed = match zstd_safe::get_frame_content_size(input) {
        Ok(Some(size)) => usize::try_from(size).unwrap_or(usize::MAX),
        Ok(None) => input.len().saturating_mul(4).max(4096),
        Err(_) => return Err(damaged(Compression::Zstd, "bad frame header")),
    };
    // What a frame claims is believed up to 1 MiB or 8 times the input; beyond that the output grows.
    let mut capacity = claimed.min(input.len().saturating_mul(8).max(1 << 20)).min(limit_bytes);
    loop {
        let mut output = Vec::with_capacity(capacity);
        match DECODER.with_borrow_mut(|decoder| decoder.decompress(&mut output, input)) {
            Ok(_) => return Ok(output),
            Err(code) if code.wrapping_neg() == DESTINATION_TOO_SMALL => {
                if capacity >= limit_bytes {
                    return Err(RecordsError::TooLarge { limit_bytes });
                }
                capacity = capacity.saturating_mul(4).max(4096).min(limit_bytes);
            }
            Err(code) => return Err(damaged(Compression::Zstd, zstd_safe::get_error_name(code))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streamed_frames_without_a_content_size_are_read() {
        let data = vec![42u8; 3 << 20];
        let streamed = zstd::stream::encode_all(&data[..], 3).unwrap();
        assert_eq!(decompress(&streamed, data.len()).unwrap(), data);
    }
}
