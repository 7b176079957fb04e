//! Values made beforehand, so that the generator costs next to nothing: random letters, as Kafka's own
//! generator sends, of which each record gets another part. Compression finds in them what it would find
//! in text.

/// Letters to take values from, beyond the size of one.
const POOL_BYTES: usize = 1 << 20;
/// A prime: values start all over the pool before they repeat.
const STRIDE: usize = 7919;
/// The same letters in every run: runs are to be compared.
const SEED: u64 = 0x6d69_6c6c;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Payloads {
    pool: Vec<u8>,
    size: usize,
    at: usize,
}

impl Payloads {
    /// Values of `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(SEED);
        let pool = (0..size + POOL_BYTES).map(|_| random.u8(b'A'..=b'Z')).collect();
        Self { pool, size, at: 0 }
    }

    /// The next value.
    #[inline]
    pub(super) fn next(&mut self) -> &[u8] {
        self.advance();
        &self.pool[self.at..self.at + self.size]
    }

    /// The next value with `head` in front, which must fit.
    #[inline]
    pub(super) fn next_with(&mut self, head: &[u8]) -> &[u8] {
        self.advance();
        let value = &mut self.pool[self.at..self.at + self.size];
        value[..head.len()].copy_from_slice(head);
        value
    }

    fn advance(&mut self) {
        self.at = (self.at + STRIDE) % POOL_BYTES;
    }
}

/// Keys out of `count` different ones, or none.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    count: u64,
    random: fastrand::Rng,
    key: [u8; 8],
}

impl Keys {
    /// `count` different keys; none when it is 0.
    pub(super) fn new(count: u64, seed: u64) -> Self {
        Self { count, random: fastrand::Rng::with_seed(SEED ^ seed), key: [0; 8] }
    }

    /// The next key.
    #[inline]
    pub(super) fn next(&mut self) -> Option<&[u8]> {
        if self.count == 0 {
            return None;
        }
        self.key = self.random.u64(0..self.count).to_be_bytes();
        Some(&self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_differ_and_runs_do_not() {
        let (mut one, mut other) = (Payloads::new(100), Payloads::new(100));
        let first: Vec<Vec<u8>> = (0..100).map(|_| one.next().to_vec()).collect();
        let second: Vec<Vec<u8>> = (0..100).map(|_| other.next().to_vec()).collect();
        assert_eq!(first, second);
        let distinct: std::collections::BTreeSet<&Vec<u8>> = first.iter().collect();
        assert_eq!(distinct.len(), 100);
        assert!(first.iter().all(|value| value.len() == 100 && value.is_ascii()));
        assert!(one.next_with(b"head").starts_with(b"head"));
        assert_eq!(Payloads::new(0).next(), b"");
    }

    #[test]
    fn keys_repeat() {
        let mut keys = Keys::new(4, 0);
        let seen: std::collections::BTreeSet<Vec<u8>> =
            (0..100).filter_map(|_| keys.next().map(<[u8]>::to_vec)).collect();
        assert_eq!(seen.len(), 4);
        assert_eq!(Keys::new(0, 0).next(), None);
    }
}
