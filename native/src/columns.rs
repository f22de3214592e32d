//! Column builders: plain vectors that are Arrow's buffers already.
//!
//! Every builder is addressed by its number of elements. Offsets tell where each element begins in
//! the data below, so cutting a column back to `n` elements needs no mark: it serves a refused
//! record (cut to the row before) and a malformed request (cut to the rows before the request)
//! alike, and it drops half-built elements too. Dictionaries are the one thing that elements do not
//! tell: they remember how long they were at the last [`Column::commit`] and go back to it in
//! [`Column::revert`].
//!
//! [`Column::take`] moves the vectors into arrays without copying and leaves the builder empty.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use arrow_array::types::ArrowPrimitiveType;
use arrow_array::{ArrayRef, BooleanArray, ListArray, PrimitiveArray, StringArray};
use arrow_buffer::{BooleanBuffer, Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};

use crate::number::push_hex;

/// A vector that remembers how long it was when it was taken last.
///
/// Batches are alike. Growing a vector to a batch's size by doubling touches twice the memory, and
/// most of what a large batch costs is the kernel handing out that memory.
pub struct Store<T> {
    items: Vec<T>,
    expected: usize,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Store { items: Vec::new(), expected: 0 }
    }
}

impl<T> Deref for Store<T> {
    type Target = Vec<T>;

    #[inline(always)]
    fn deref(&self) -> &Vec<T> {
        &self.items
    }
}

impl<T> DerefMut for Store<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.items
    }
}

impl<T> Store<T> {
    /// Make room for as much as there was last time, and a little more.
    pub fn prepare(&mut self) {
        if self.items.is_empty() && self.expected > 0 {
            let room = self.expected + self.expected / 16;
            self.items.reserve_exact(room.min(PREPARED_BYTES_MAX / size_of::<T>()));
        }
    }

    pub fn take(&mut self) -> Vec<T> {
        self.expected = self.items.len();
        std::mem::take(&mut self.items)
    }
}

/// Room made ahead for one buffer at most: a batch of 200,000 rows needs less for most.
const PREPARED_BYTES_MAX: usize = 64 << 20;

/// One column, or the elements of one.
pub trait Column {
    fn data_type() -> DataType;

    /// Make room for as many elements as were taken last; called before the first of a batch.
    fn prepare(&mut self);

    /// Return how many elements are complete.
    fn len(&self) -> usize;

    /// Drop every element from `elements` on, and whatever of the next one is there.
    fn truncate(&mut self, elements: usize);

    /// Keep what the dictionaries hold now.
    fn commit(&mut self) {}

    /// Take dictionaries back to the last commit; comes after `truncate`.
    fn revert(&mut self) {}

    /// Take the elements as an array; the column is empty afterwards.
    fn take(&mut self) -> ArrayRef;

    /// Return the bytes of the largest buffer that 32-bit offsets point into.
    fn widest(&self) -> usize {
        0
    }
}

/// Numbers and times.
pub struct Numbers<T: ArrowPrimitiveType> {
    values: Store<T::Native>,
}

impl<T: ArrowPrimitiveType> Default for Numbers<T> {
    fn default() -> Self {
        Numbers { values: Store::default() }
    }
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    #[inline(always)]
    pub fn push(&mut self, value: T::Native) {
        self.values.push(value);
    }
}

impl<T: ArrowPrimitiveType> Column for Numbers<T> {
    fn data_type() -> DataType {
        T::DATA_TYPE
    }

    fn prepare(&mut self) {
        self.values.prepare();
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn truncate(&mut self, elements: usize) {
        self.values.truncate(elements);
    }

    fn take(&mut self) -> ArrayRef {
        let values = ScalarBuffer::from(self.values.take());
        Arc::new(PrimitiveArray::<T>::new(values, None))
    }
}

/// Booleans, one byte each until they are taken.
#[derive(Default)]
pub struct Booleans {
    values: Store<bool>,
}

impl Booleans {
    #[inline(always)]
    pub fn push(&mut self, value: bool) {
        self.values.push(value);
    }
}

impl Column for Booleans {
    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn prepare(&mut self) {
        self.values.prepare();
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    fn truncate(&mut self, elements: usize) {
        self.values.truncate(elements);
    }

    fn take(&mut self) -> ArrayRef {
        let values = BooleanBuffer::from(self.values.take());
        Arc::new(BooleanArray::new(values, None))
    }
}

/// Where elements begin and end in the data below: Arrow's offsets, with their leading zero.
pub struct Offsets {
    offsets: Store<i32>,
}

impl Default for Offsets {
    fn default() -> Self {
        let mut offsets = Store::default();
        offsets.push(0);
        Offsets { offsets }
    }
}

impl Offsets {
    /// End the element that is open. An end above 31 bits wraps here, and is found by
    /// [`Columns::widest`] before the rows are kept.
    #[inline(always)]
    pub fn close(&mut self, end: usize) {
        self.offsets.push(end as i32);
    }

    /// Append elements whose offsets are relative to where the open element begins.
    #[inline]
    fn extend(&mut self, other: &Offsets, base: usize) {
        let base = base as i32;
        self.offsets.extend(other.offsets[1..].iter().map(|end| base.wrapping_add(*end)));
    }

    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    #[inline(always)]
    pub fn range(&self, element: usize) -> std::ops::Range<usize> {
        self.offsets[element] as usize..self.offsets[element + 1] as usize
    }

    /// Drop all elements from `elements` on; return where the next one begins.
    pub fn truncate(&mut self, elements: usize) -> usize {
        self.offsets.truncate(elements + 1);
        self.offsets[self.offsets.len() - 1] as usize
    }

    pub fn take(&mut self) -> OffsetBuffer<i32> {
        let offsets = self.offsets.take();
        self.offsets.push(0);
        OffsetBuffer::new(ScalarBuffer::from(offsets))
    }

    pub fn prepare(&mut self) {
        if self.len() == 0 {
            self.offsets.clear();
            self.offsets.prepare();
            self.offsets.push(0);
        }
    }
}

/// Strings.
#[derive(Default)]
pub struct Texts {
    offsets: Offsets,
    pub data: Store<u8>,
}

impl Texts {
    #[inline(always)]
    pub fn push(&mut self, text: &[u8]) {
        self.data.extend_from_slice(text);
        self.close();
    }

    /// Append bytes as lower-case hex.
    #[inline(always)]
    pub fn push_hex(&mut self, bytes: &[u8]) {
        push_hex(&mut self.data, bytes);
        self.close();
    }

    /// End the element that has been written to `data`.
    #[inline(always)]
    pub fn close(&mut self) {
        self.offsets.close(self.data.len());
    }

    /// Append all elements of another column.
    #[inline]
    pub fn extend(&mut self, other: &Texts) {
        self.offsets.extend(&other.offsets, self.data.len());
        self.data.extend_from_slice(&other.data);
    }

    #[inline(always)]
    pub fn get(&self, element: usize) -> &[u8] {
        &self.data[self.offsets.range(element)]
    }

    pub fn take_array(&mut self) -> StringArray {
        let offsets = self.offsets.take();
        StringArray::new(offsets, Buffer::from_vec(self.data.take()), None)
    }
}

impl Column for Texts {
    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn prepare(&mut self) {
        self.offsets.prepare();
        self.data.prepare();
    }

    fn len(&self) -> usize {
        self.offsets.len()
    }

    fn truncate(&mut self, elements: usize) {
        let end = self.offsets.truncate(elements);
        self.data.truncate(end);
    }

    fn take(&mut self) -> ArrayRef {
        Arc::new(self.take_array())
    }

    fn widest(&self) -> usize {
        self.data.len()
    }
}

/// Lists of anything. The elements are appended to `items`, then `close` ends the list.
#[derive(Default)]
pub struct Lists<C> {
    offsets: Offsets,
    pub items: C,
}

impl<C: Column> Lists<C> {
    #[inline(always)]
    pub fn close(&mut self) {
        self.offsets.close(self.items.len());
    }
}

impl<C: Column> Column for Lists<C> {
    fn data_type() -> DataType {
        DataType::List(Arc::new(Field::new("item", C::data_type(), true)))
    }

    fn prepare(&mut self) {
        self.offsets.prepare();
        self.items.prepare();
    }

    fn len(&self) -> usize {
        self.offsets.len()
    }

    fn truncate(&mut self, elements: usize) {
        let end = self.offsets.truncate(elements);
        self.items.truncate(end);
    }

    fn commit(&mut self) {
        self.items.commit();
    }

    fn revert(&mut self) {
        self.items.revert();
    }

    fn take(&mut self) -> ArrayRef {
        let offsets = self.offsets.take();
        let field = Arc::new(Field::new("item", C::data_type(), true));
        Arc::new(ListArray::new(field, offsets, self.items.take(), None))
    }

    fn widest(&self) -> usize {
        self.items.widest().max(self.items.len())
    }
}

/// A group of columns that stand side by side: a table, or a part that tables share.
pub trait Columns {
    fn prepare(&mut self);
    fn truncate(&mut self, rows: usize);
    fn commit(&mut self);
    fn revert(&mut self);
    fn take(&mut self, name: &'static str, taken: &mut Vec<(Field, ArrayRef)>);
    fn widest(&self) -> usize;
}

impl<C: Column> Columns for C {
    fn prepare(&mut self) {
        Column::prepare(self);
    }

    fn truncate(&mut self, rows: usize) {
        Column::truncate(self, rows);
    }

    fn commit(&mut self) {
        Column::commit(self);
    }

    fn revert(&mut self) {
        Column::revert(self);
    }

    fn take(&mut self, name: &'static str, taken: &mut Vec<(Field, ArrayRef)>) {
        taken.push((Field::new(name, C::data_type(), false), Column::take(self)));
    }

    fn widest(&self) -> usize {
        Column::widest(self)
    }
}

/// Declare a group of columns: each field with its type and the column's name, in the table's
/// order. A field that is a group itself has no name.
macro_rules! columns {
    ($(#[$meta:meta])* $group:ident { $($field:ident: $kind:ty = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Default)]
        pub struct $group {
            $(pub $field: $kind,)*
        }

        impl $crate::columns::Columns for $group {
            fn prepare(&mut self) {
                $($crate::columns::Columns::prepare(&mut self.$field);)*
            }

            fn truncate(&mut self, rows: usize) {
                $($crate::columns::Columns::truncate(&mut self.$field, rows);)*
            }

            fn commit(&mut self) {
                $($crate::columns::Columns::commit(&mut self.$field);)*
            }

            fn revert(&mut self) {
                $($crate::columns::Columns::revert(&mut self.$field);)*
            }

            fn take(
                &mut self,
                _name: &'static str,
                taken: &mut Vec<(arrow_schema::Field, arrow_array::ArrayRef)>,
            ) {
                $($crate::columns::Columns::take(&mut self.$field, $name, taken);)*
            }

            fn widest(&self) -> usize {
                0usize$(.max($crate::columns::Columns::widest(&self.$field)))*
            }
        }
    };
}
pub(crate) use columns;
