//! Zigzag varints as records use them (protobuf's sint32 and sint64). Never reads past ten bytes.

/// Reads a zigzag varint of at most 64 bits from the front of `buf` and moves `buf` past it.
#[inline]
pub(super) fn read_i64(buf: &mut &[u8]) -> Option<i64> {
    let mut value = 0u64;
    let mut shift = 0;
    for (at, &byte) in buf.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // The tenth byte has room for one bit only.
            if at == 9 && byte > 1 {
                return None;
            }
            *buf = &buf[at + 1..];
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
        shift += 7;
    }
    None
}

/// Reads a zigzag varint that must fit 32 bits.
#[inline]
pub(super) fn read_i32(buf: &mut &[u8]) -> Option<i32> {
    // One byte holds most deltas and lengths: keep that path free of the loop.
    if let Some((&byte, rest)) = buf.split_first()
        && byte < 0x80
    {
        *buf = rest;
        return Some(i32::from(byte >> 1) ^ -i32::from(byte & 1));
    }
    i32::try_from(read_i64(buf)?).ok()
}

/// Appends `value` as a zigzag varint.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Bytes that [`write`] appends for `value`.
#[inline]
pub(super) fn size(value: i64) -> usize {
    let zigzag = ((value << 1) ^ (value >> 63)) as u64;
    (64 - (zigzag | 1).leading_zeros() as usize).div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(value: i64) {
            let mut out = Vec::new();
            write(&mut out, value);
            prop_assert_eq!(out.len(), size(value));
            let mut buf = &out[..];
            prop_assert_eq!(read_i64(&mut buf), Some(value));
            prop_assert!(buf.is_empty());
            let mut buf = &out[..];
            prop_assert_eq!(read_i32(&mut buf), i32::try_from(value).ok());
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = read_i64(&mut &bytes[..]);
            let _ = read_i32(&mut &bytes[..]);
        }
    }

    #[test]
    fn too_long_is_refused() {
        assert_eq!(read_i64(&mut &[0xff; 11][..]), None);
        assert_eq!(read_i64(&mut &[0x80, 0x80][..]), None);
        assert_eq!(read_i64(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..]), None);
    }
}
