//! Trace ids as Agrona's `SnowflakeIdGenerator` makes them: one word that every caller moves on.
//!
//! The word holds the last millisecond and the count in it, and a compare-and-set makes the next of
//! it. So no caller waits for another, and no id is given twice. A clock that steps back changes
//! nothing: ids stay in the millisecond that they reached.
//!
//! `clew.lineage.sequence` is the same in Python, and its oracle.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// For the next millisecond, when one is used up: it is at most one away unless the clock stands.
const WAIT_MAX: Duration = Duration::from_millis(2);

const NS_PER_MS: i64 = 1_000_000;

/// Bits of an id below the sign.
const ID_BITS: u32 = 63;

/// Of node and sequence together.
const SPLIT_BITS_MAX: u32 = 22;

/// How ids are made up.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub node_bits: u32,
    pub sequence_bits: u32,
    /// Unix milliseconds that ids count from.
    pub epoch_offset_ms: i64,
}

impl Layout {
    /// Whether the bits leave room for milliseconds, and the epoch is a moment.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.node_bits.saturating_add(self.sequence_bits) <= SPLIT_BITS_MAX
            && self.epoch_offset_ms >= 0
    }

    /// The last millisecond that has ids, counted from the epoch.
    fn last_ms(&self) -> i64 {
        i64::MAX >> (self.node_bits + self.sequence_bits)
    }

    fn sequence_mask(&self) -> u64 {
        (1 << self.sequence_bits) - 1
    }
}

/// Why there is no id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoId {
    /// A millisecond's ids were used up, and the next one did not come in time.
    Exhausted,
    /// The node id is another process's.
    Forked,
    /// The node id is not ours any more.
    Revoked,
    /// The layout has no ids for the time that it is.
    Horizon,
}

impl NoId {
    /// All of them, in the order in which they are counted.
    pub const ALL: [NoId; 4] = [NoId::Exhausted, NoId::Forked, NoId::Revoked, NoId::Horizon];

    /// As they are called in documents.
    pub const NAMES: [&str; 4] = ["exhausted", "forked", "revoked", "horizon"];
}

/// Gives out ids, each once, from any thread.
#[derive(Debug)]
pub struct Sequence {
    layout: Layout,
    /// The node id, where it stands in an id.
    node: u64,
    /// One more than the last millisecond, and the count in it; 0 before the first id.
    word: AtomicU64,
    origin: Instant,
    /// Unix nanoseconds at the origin; it only ever grows.
    anchor_ns: AtomicI64,
    /// 0, or one more than the place of the reason why nothing is given out.
    ended: AtomicU8,
    missed: [AtomicU64; NoId::ALL.len()],
}

impl Sequence {
    /// Return a sequence, or None where layout and node do not go together.
    #[must_use]
    pub fn new(layout: Layout, node_id: u64) -> Option<Self> {
        if !layout.is_sound() || node_id >> layout.node_bits != 0 {
            return None;
        }
        Some(Sequence {
            layout,
            node: node_id << layout.sequence_bits,
            word: AtomicU64::new(0),
            origin: Instant::now(),
            anchor_ns: AtomicI64::new(wall_ns()),
            ended: AtomicU8::new(0),
            missed: Default::default(),
        })
    }

    /// Return the next id. Waits two milliseconds at most, and only where one is used up.
    pub fn next_id(&self) -> Result<u64, NoId> {
        let found = match self.next_at(self.now_ms()) {
            Err(NoId::Exhausted) => self.wait_for_next(),
            found => found,
        };
        self.count(found)
    }

    /// Return the next id without waiting, or None where one would have to.
    pub fn try_next(&self) -> Option<u64> {
        self.next_at(self.now_ms()).ok()
    }

    /// Return the next id as if it were some Unix millisecond.
    pub fn next_at(&self, now_ms: i64) -> Result<u64, NoId> {
        if let Some(reason) = self.end_reason() {
            return Err(reason);
        }
        let now = now_ms - self.layout.epoch_offset_ms;
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let next = self.after(word, now)?;
            match self.word.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(self.compose(next)),
                Err(moved) => word = moved,
            }
        }
    }

    /// Give out no more ids. A call that is under way may still get one.
    pub fn end(&self, reason: NoId) {
        self.ended.store(reason as u8 + 1, Ordering::Release);
    }

    /// Give out ids again, none of them twice.
    pub fn go_on(&self) {
        self.ended.store(0, Ordering::Release);
    }

    /// How many calls had no id, in the order of [`NoId::ALL`].
    pub fn missed(&self) -> [u64; NoId::ALL.len()] {
        NoId::ALL.map(|reason| self.missed[reason as usize].load(Ordering::Relaxed))
    }

    /// Return the word that follows another at a moment, counted from the epoch.
    fn after(&self, word: u64, now: i64) -> Result<u64, NoId> {
        let mask = self.layout.sequence_mask();
        let last = (word >> self.layout.sequence_bits).cast_signed() - 1;
        if now > last {
            if now > self.layout.last_ms() {
                return Err(NoId::Horizon);
            }
            let first = (now.cast_unsigned() + 1) << self.layout.sequence_bits;
            if self.compose(first) != 0 {
                return Ok(first);
            }
            // The very first id of a layout would be 0, which is none.
            return if mask > 0 { Ok(first + 1) } else { Err(NoId::Exhausted) };
        }
        if word != 0 && word & mask < mask { Ok(word + 1) } else { Err(NoId::Exhausted) }
    }

    fn compose(&self, word: u64) -> u64 {
        let milliseconds = (word >> self.layout.sequence_bits) - 1;
        let shift = self.layout.node_bits + self.layout.sequence_bits;
        debug_assert!(milliseconds >> (ID_BITS - shift) == 0);
        milliseconds << shift | self.node | word & self.layout.sequence_mask()
    }

    fn wait_for_next(&self) -> Result<u64, NoId> {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            // Asked before the clock is: a thread that was not running meanwhile tries once more.
            let is_late = Instant::now() >= deadline;
            match self.next_at(self.now_ms()) {
                Err(NoId::Exhausted) if !is_late => std::hint::spin_loop(),
                found => return found,
            }
        }
    }

    /// Return the Unix millisecond: the wall clock as it was read, carried on by a steady one.
    fn now_ms(&self) -> i64 {
        let elapsed = i64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(i64::MAX);
        let now_ms = (self.anchor_ns.load(Ordering::Relaxed) + elapsed) / NS_PER_MS;
        let reached = self.word.load(Ordering::Relaxed) >> self.layout.sequence_bits;
        if now_ms - self.layout.epoch_offset_ms < reached.cast_signed() {
            return now_ms;
        }
        // Once a millisecond: follow the wall clock, if it is ahead.
        let ahead = wall_ns() - elapsed;
        let anchor = self.anchor_ns.fetch_max(ahead, Ordering::Relaxed).max(ahead);
        (anchor + elapsed) / NS_PER_MS
    }

    fn end_reason(&self) -> Option<NoId> {
        let place = self.ended.load(Ordering::Acquire);
        if place == 0 { None } else { NoId::ALL.get(usize::from(place) - 1).copied() }
    }

    fn count(&self, found: Result<u64, NoId>) -> Result<u64, NoId> {
        if let Err(reason) = found {
            self.missed[reason as usize].fetch_add(1, Ordering::Relaxed);
        }
        found
    }
}

fn wall_ns() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn sequence(node_bits: u32, sequence_bits: u32, offset: i64, node: u64) -> Sequence {
        let layout = Layout { node_bits, sequence_bits, epoch_offset_ms: offset };
        Sequence::new(layout, node).expect("a sound layout")
    }

    #[test]
    fn ids_are_those_of_the_specification() {
        let ids = sequence(10, 12, 0, 7);
        assert_eq!(ids.next_at(1), Ok(4_222_976));
        assert_eq!(ids.next_at(3), Ok(12_611_584));
        assert_eq!(ids.next_at(3), Ok(12_611_585));
        let ids = sequence(10, 12, 0, 1);
        assert_eq!(ids.next_at(1_700_000_000_000), Ok(7_130_316_800_000_004_096));
        let ids = sequence(10, 12, 0, 1023);
        let found: Vec<_> = (0..4096).map(|_| ids.next_at((1 << 41) - 1)).collect();
        assert_eq!(found[4095], Ok(u64::MAX >> 1));
        assert_eq!(ids.next_at(1 << 41), Err(NoId::Horizon));
    }

    #[test]
    fn a_clock_that_steps_back_changes_nothing_until_the_millisecond_is_used_up() {
        let ids = sequence(3, 2, 0, 5);
        let first = ids.next_at(7).expect("an id");
        let more: Vec<_> = (0..4).map(|_| ids.next_at(4)).collect();
        assert_eq!(more[..3], [Ok(first + 1), Ok(first + 2), Ok(first + 3)]);
        assert_eq!(more[3], Err(NoId::Exhausted));
        assert!(ids.next_at(8).is_ok());
    }

    #[test]
    fn zero_is_never_given_out() {
        assert_eq!(sequence(10, 12, 1000, 0).next_at(1000), Ok(1));
        assert_eq!(sequence(0, 0, 1000, 0).next_at(1000), Err(NoId::Exhausted));
        assert_eq!(sequence(10, 12, 1000, 0).next_at(999), Err(NoId::Exhausted));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let layout =
            |node_bits, sequence_bits| Layout { node_bits, sequence_bits, epoch_offset_ms: 0 };
        assert!(Sequence::new(layout(10, 13), 0).is_none());
        assert!(Sequence::new(layout(10, 12), 1024).is_none());
        assert!(Sequence::new(layout(u32::MAX, 1), 0).is_none());
        assert!(Sequence::new(Layout { epoch_offset_ms: -1, ..layout(10, 12) }, 0).is_none());
    }

    #[test]
    fn an_end_is_counted_by_its_reason_and_may_be_taken_back() {
        let ids = sequence(10, 12, 0, 7);
        let before = ids.next_id().expect("an id");
        ids.end(NoId::Forked);
        assert_eq!(ids.next_id(), Err(NoId::Forked));
        assert_eq!(ids.missed(), [0, 1, 0, 0]);
        ids.go_on();
        assert!(ids.next_id().expect("an id") > before);
    }

    #[test]
    fn threads_share_a_sequence_and_no_id_comes_twice() {
        let ids = sequence(10, 9, 0, 7);
        let found: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..5_000).filter_map(|_| ids.next_id().ok()).collect()))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
        });
        let count: usize = found.iter().map(Vec::len).sum();
        assert!(found.iter().all(|mine| mine.is_sorted()));
        assert_eq!(found.into_iter().flatten().collect::<HashSet<_>>().len(), count);
        assert_eq!(count as u64 + ids.missed()[0], 20_000);
    }
}
