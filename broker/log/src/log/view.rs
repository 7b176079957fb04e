//! What readers see of a log, and a small memory of where reads go on. No disk here.

use std::sync::Arc;

use crate::segment::Segment;

/// The segments and the bounds, as of one moment.
#[derive(Debug)]
pub(super) struct View {
    /// By base offset; never empty. The last one is active.
    pub(super) segments: Vec<Arc<Segment>>,
    pub(super) start_offset: i64,
    pub(super) end_offset: i64,
    /// Where recent appends began, for translating a high watermark below the end.
    pub(super) recent: Cursors,
    /// Counts changes that move what is already there; a place found before one is void after it.
    pub(super) generation: u64,
}

impl View {
    /// The segment that holds `offset` or would: the last one that begins at or below it.
    pub(super) fn floor(&self, offset: i64) -> usize {
        self.segments.partition_point(|segment| segment.base_offset() <= offset).saturating_sub(1)
    }

    /// The first offset after the segment at `at`.
    pub(super) fn next_base(&self, at: usize) -> i64 {
        self.segments.get(at + 1).map_or(self.end_offset, |next| next.base_offset())
    }

    /// Declares all places void.
    pub(super) fn invalidate(&mut self) {
        self.generation += 1;
        self.recent = Cursors::default();
    }
}

/// The batch with this offset, or the next one, begins here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) offset: i64,
    pub(super) segment_base: i64,
    pub(super) position: u64,
}

/// The last few places. A consumer reads where its last read ended: finding its place here saves it the
/// index and a scan.
#[derive(Debug, Default)]
pub(super) struct Cursors {
    slots: [Option<Cursor>; 8],
    next: usize,
    generation: u64,
}

impl Cursors {
    /// The place of `offset`, if it was found in `generation`.
    pub(super) fn find(&self, offset: i64, generation: u64) -> Option<Cursor> {
        if self.generation != generation {
            return None;
        }
        self.slots.iter().flatten().find(|cursor| cursor.offset == offset).copied()
    }

    /// Remembers a place found in `generation`, instead of the oldest one.
    pub(super) fn put(&mut self, cursor: Cursor, generation: u64) {
        if generation < self.generation {
            return;
        }
        if generation > self.generation {
            *self = Self { generation, ..Self::default() };
        }
        if self.find(cursor.offset, generation).is_none() {
            self.slots[self.next] = Some(cursor);
            self.next = (self.next + 1) % self.slots.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_found_before_a_change_are_void_after_it() {
        let place = |offset| Cursor { offset, segment_base: 0, position: offset as u64 };
        let mut cursors = Cursors::default();
        (0..10).for_each(|offset| cursors.put(place(offset), 3));
        assert_eq!(cursors.find(9, 3), Some(place(9)));
        assert_eq!(cursors.find(1, 3), None, "only the last eight are kept");
        assert_eq!(cursors.find(9, 4), None);
        cursors.put(place(50), 2);
        assert_eq!(cursors.find(50, 3), None);
        cursors.put(place(60), 4);
        assert_eq!((cursors.find(60, 4), cursors.find(9, 3)), (Some(place(60)), None));
    }
}
