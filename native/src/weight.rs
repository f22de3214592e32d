//! How much a request makes of itself: what is counted before its rows are written.
//!
//! Every row repeats its resource and its scope, so a request of half a megabyte can stand for
//! gigabytes of rows. What the rows repeat is known when a scope (or a metric) is entered, and so
//! is how many rows there are; the rows are therefore weighed all at once, before the first of them
//! costs anything. From the moment a request is too heavy nothing of it is written any more, but the
//! rest is still parsed: whether a request is malformed does not depend on how heavy it is.
//!
//! The weight is a contract (`docs/internals/rows.md`), because a request that was taken must be
//! taken again when the log is read back, by either decoder.

use crate::wire::{Error, Result};

/// What the offsets, numbers and dictionary keys of a row take, roughly: an empty log record is two
/// bytes of a request and a whole row.
pub const ROW_BYTES: usize = 200;

/// What an event, a link or an exemplar takes with its part of the residue, roughly: an empty one is
/// two bytes, too.
pub const ITEM_BYTES: usize = 100;

/// What an entry of a resource's or scope's attributes takes in each row beside its text: its key's
/// number and its offset.
pub const ENTRY_BYTES: usize = 8;

/// The weight of the request that is being read.
pub struct Weight {
    bytes: usize,
    bytes_max: usize,
}

impl Weight {
    pub fn new(bytes_max: usize) -> Self {
        Weight { bytes: 0, bytes_max }
    }

    /// Begin with the next request.
    pub fn reset(&mut self) {
        self.bytes = 0;
    }

    /// Add `count` things of so many bytes each; tell whether the request is still light enough.
    #[inline(always)]
    pub fn add(&mut self, count: usize, bytes: usize) -> bool {
        self.bytes = self.bytes.saturating_add(count.saturating_mul(bytes));
        !self.is_over()
    }

    #[inline(always)]
    pub fn is_over(&self) -> bool {
        self.bytes > self.bytes_max
    }

    /// Return the weight of a request that was read to its end.
    pub fn check(&self) -> Result<usize> {
        if self.is_over() { Err(Error::TooHeavy) } else { Ok(self.bytes) }
    }
}
