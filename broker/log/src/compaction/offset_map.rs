//! The last offset of each key, in bounded memory (Kafka's `SkimpyOffsetMap`): keys are kept as 128-bit
//! hashes, 24 bytes an entry. The hash is keyed at random, so that nobody can choose keys that collide.

use std::hash::{BuildHasher, RandomState};

const ENTRY_BYTES: usize = 24;
const FIRST_SLOTS: usize = 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    key: (u64, u64),
    /// -1 marks a free slot.
    offset: i64,
}

const FREE: Entry = Entry { key: (0, 0), offset: -1 };

/// Maps keys to offsets; grows up to a bound and is emptied between uses.
#[derive(Debug)]
pub struct OffsetMap {
    slots: Vec<Entry>,
    len: usize,
    slots_max: usize,
    latest_offset: i64,
    hashers: (RandomState, RandomState),
}

impl OffsetMap {
    /// A map that takes at most `memory_bytes` (room for 1024 keys at least).
    #[must_use]
    pub fn new(memory_bytes: usize) -> Self {
        // While the map grows the old slots stand beside the new ones.
        let slots_max = (memory_bytes / ENTRY_BYTES).max(FIRST_SLOTS);
        let hashers = (RandomState::new(), RandomState::new());
        Self { slots: Vec::new(), len: 0, slots_max, latest_offset: -1, hashers }
    }

    /// Keys in the map.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the map holds no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The largest offset that was looked at, with or without a key; -1 for none.
    #[must_use]
    pub fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    /// Forgets everything and gives the memory back.
    pub fn clear(&mut self) {
        self.slots = Vec::new();
        self.len = 0;
        self.latest_offset = -1;
    }

    /// Whether `more` keys fit surely.
    #[must_use]
    pub fn has_room_for(&self, more: usize) -> bool {
        self.len + more <= self.slots_max / 10 * 9
    }

    /// Notes that everything up to `offset` was looked at.
    pub fn advance(&mut self, offset: i64) {
        self.latest_offset = self.latest_offset.max(offset);
    }

    /// Notes the key's offset. The caller made sure of room.
    pub fn put(&mut self, key: &[u8], offset: i64) {
        if self.len + 1 > self.slots.len() / 10 * 9 {
            self.grow();
        }
        let key = self.hash(key);
        let at = self.slot_of(key);
        self.len += usize::from(self.slots[at].offset < 0);
        self.slots[at] = Entry { key, offset };
        self.advance(offset);
    }

    /// The key's last offset.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<i64> {
        if self.slots.is_empty() {
            return None;
        }
        let entry = self.slots[self.slot_of(self.hash(key))];
        (entry.offset >= 0).then_some(entry.offset)
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        (self.hashers.0.hash_one(key), self.hashers.1.hash_one(key))
    }

    /// The slot of a key, or the free one where it belongs. A tenth of the slots is always free.
    fn slot_of(&self, key: (u64, u64)) -> usize {
        let mut at = (key.0 % self.slots.len() as u64) as usize;
        while self.slots[at].offset >= 0 && self.slots[at].key != key {
            at = (at + 1) % self.slots.len();
        }
        at
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(FIRST_SLOTS);
        // A step up to the bound that would nearly reach it goes all the way.
        let slots =
            if slots * 2 > self.slots_max { self.slots_max.max(self.slots.len() + 16) } else { slots };
        let old = std::mem::replace(&mut self.slots, vec![FREE; slots]);
        for entry in old.into_iter().filter(|entry| entry.offset >= 0) {
            let at = self.slot_of(entry.key);
            self.slots[at] = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_offset_of_each_key_is_kept() {
        let mut map = OffsetMap::new(24 * 20_000);
        for offset in 0..30_000i64 {
            map.put(format!("key {}", offset % 10_000).as_bytes(), offset);
        }
        assert_eq!((map.len(), map.latest_offset()), (10_000, 29_999));
        for key in 0..10_000 {
            assert_eq!(map.get(format!("key {key}").as_bytes()), Some(20_000 + key));
        }
        assert_eq!(map.get(b"other"), None);
        map.clear();
        assert_eq!((map.is_empty(), map.get(b"key 1")), (true, None));
    }

    #[test]
    fn memory_is_bounded() {
        let mut map = OffsetMap::new(24 * 5000);
        let mut offset = 0i64;
        while map.has_room_for(1) {
            map.put(&offset.to_be_bytes(), offset);
            offset += 1;
        }
        assert_eq!(map.len(), 4500);
        assert!(map.slots.len() <= 5000, "{}", map.slots.len());
    }
}
