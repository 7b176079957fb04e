//! Spoils valid bytes the ways that find mistakes: bits, lengths, cuts and splices.

use fastrand::Rng;

/// Lengths that lie, in each of the forms that lengths have on the wire.
pub(crate) const LIES: [&[u8]; 9] = [
    &[0x7f, 0xff, 0xff, 0xff],             // the longest array
    &[0xff, 0xff, 0xff, 0xfe],             // shorter than null
    &[0x00, 0x00, 0x40, 0x00],             // an array just within what is there
    &[0x7f, 0xff],                         // the longest string
    &[0xff, 0xff],                         // null
    &[0xff, 0xff, 0xff, 0xff, 0x0f],       // the longest compact length
    &[0x80, 0x80, 0x01],                   // a compact length just within what is there
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], // a varint that does not end in time
    &[0x00],
];

/// One to eight changes. `other` is a second input to splice from.
pub(crate) fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    for _ in 0..rng.usize(1..=8) {
        change(bytes, other, rng);
    }
}

fn change(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let at = rng.usize(..=bytes.len());
    match rng.u8(..8) {
        0 | 1 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(..8),
        2 if at < bytes.len() => bytes[at] = rng.u8(..),
        3 | 4 => overwrite(bytes, at, LIES[rng.usize(..LIES.len())]),
        5 => bytes.truncate(at),
        6 => {
            let tail = other.get(rng.usize(..=other.len())..).unwrap_or_default();
            bytes.truncate(at);
            bytes.extend_from_slice(tail);
        }
        _ => {
            let filler = [0, 1, 2, 0x7f, 0xff][rng.usize(..5)];
            bytes.splice(at..at, std::iter::repeat_n(filler, rng.usize(..64)));
        }
    }
}

/// Writes `patch` over the bytes at `at`, and past the end where it is longer.
pub(crate) fn overwrite(bytes: &mut Vec<u8>, at: usize, patch: &[u8]) {
    let end = bytes.len().min(at + patch.len());
    bytes.splice(at..end, patch.iter().copied());
}
