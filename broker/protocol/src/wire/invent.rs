//! Messages made up for tests. A reader that invents answers every question of the generated code
//! from a string of entropy, so `Message::decode` over it yields some valid message of the version:
//! short arrays and strings, null where null is allowed, tagged fields or none. Where the entropy
//! ends everything is zero or empty, which is what makes failures shrink. Knows no message.

use bytes::{Bytes, BytesMut};

use super::{DecodeError, Reader};

/// Above every tag of every message.
const TAGS_END: u32 = 16;
/// Needs two bytes as a varint.
const LONG: usize = 130;
const LETTERS: [char; 8] = ['a', 'Z', '-', ' ', '\0', 'é', '語', '🦀'];

impl Reader {
    pub(crate) fn inventing(entropy: Bytes) -> Self {
        Self { bytes: entropy, entries_left: usize::MAX, inventing: true }
    }

    /// Makes sure that `needed` bytes are left.
    pub(super) fn pad(&mut self, needed: usize) {
        if self.bytes.len() < needed {
            let mut padded = BytesMut::from(&self.bytes[..]);
            padded.resize(needed, 0);
            self.bytes = padded.freeze();
        }
    }

    /// Often one of the numbers that are defaults or limits of fields.
    pub(super) fn invent_number<const N: usize>(&mut self) -> [u8; N] {
        let mut number = [0; N];
        match self.invent_byte() % 8 {
            1 | 2 => number = [0xff; N],
            3 => {
                number = [0xff; N];
                number[0] = 0x7f;
            }
            4 => number[0] = 0x80,
            5 => number[N - 1] = 1,
            6 | 7 => {
                self.pad(N);
                number.copy_from_slice(&self.bytes.split_to(N));
            }
            _ => {}
        }
        number
    }

    pub(super) fn invent_length(&mut self) -> usize {
        match self.invent_byte() {
            u8::MAX => LONG,
            choice => usize::from(choice % 4),
        }
    }

    pub(super) fn invent_nullable_length(&mut self) -> Option<usize> {
        (self.invent_byte() % 4 != 3).then(|| self.invent_length())
    }

    pub(super) fn invent_str(&mut self, length: usize) -> String {
        (0..length).map(|_| LETTERS[usize::from(self.invent_byte()) % LETTERS.len()]).collect()
    }

    pub(super) fn invent_tagged_fields(
        &mut self,
        mut known: impl FnMut(u32, &mut Self) -> Result<bool, DecodeError>,
    ) -> Result<(), DecodeError> {
        for tag in 0..TAGS_END {
            if self.invent_byte() % 2 == 1 {
                known(tag, self)?;
            }
        }
        Ok(())
    }

    fn invent_byte(&mut self) -> u8 {
        self.pad(1);
        self.bytes.split_to(1)[0]
    }
}
