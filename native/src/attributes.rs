//! Attribute lists: a map column, and the shapes of the lists in it.
//!
//! Instrumentation writes the same keys in the same order again and again. The column therefore
//! keeps a tree of *shapes*: a shape is a list's beginning, each step adds a key (its dictionary
//! number) and the kind of the value. While a list is read, its shape so far predicts the next key,
//! so that the usual attribute costs one comparison instead of a hash; and at the end the shape
//! alone tells what the residue says of the list, so that text is made once a shape and not once a
//! row.
//!
//! The tree only saves work. It is bounded, and it is forgotten whenever dictionary numbers may
//! change: when the column is taken, and when a request is rolled back.

use std::sync::Arc;

use arrow_array::{ArrayRef, MapArray, StructArray};
use arrow_schema::{DataType, Field, Fields};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::columns::{Column, Offsets, Store, Texts};
use crate::dictionary::{Dictionary, dictionary_type, take_dictionary};
use crate::number::push_json_text;
use crate::value::{ENTRIES_MAX, Kind, Limits, push_any_value, push_value, split_key_value};
use crate::weight::ENTRY_BYTES;
use crate::wire::{BYTES, Reader, Result, is_same_text, tag};

/// Shapes kept at most, about 3 MB: far above what a fleet's instrumentation has, and a hostile
/// client that invents keys only makes us start over.
const SHAPES_MAX: usize = 1 << 16;

/// Tables that one resource's attributes can go to: the five kinds of metrics.
const TABLES_MAX: usize = 5;

const KEY_TAG: u32 = tag(1, BYTES);
const VALUE_TAG: u32 = tag(2, BYTES);

/// What the columns lose of an attribute list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    Nothing,
    /// The kinds of some values: the residue lists their keys.
    Kinds,
    /// More than kinds: the residue keeps the whole list.
    Whole,
}

/// The number of a shape; the empty list has 0.
pub type ShapeId = u32;

struct Shape {
    before: ShapeId,
    key: i32,
    kind: Kind,
    loss: Loss,
    /// The shape that followed this one last time, or 0.
    next: ShapeId,
}

struct Shapes {
    shapes: Vec<Shape>,
    steps: HashMap<(ShapeId, i32, Kind), ShapeId, RandomState>,
    /// For each key the list it occurred in last, to find repeated keys.
    last_list: Vec<u32>,
    list: u32,
}

impl Default for Shapes {
    fn default() -> Self {
        let empty = Shape { before: 0, key: -1, kind: Kind::Text, loss: Loss::Nothing, next: 0 };
        Shapes { shapes: vec![empty], steps: HashMap::default(), last_list: Vec::new(), list: 0 }
    }
}

impl Shapes {
    /// Return the shape that follows when `key` is added, with the key's number.
    #[inline(always)]
    fn step(
        &mut self,
        shape: ShapeId,
        key: &[u8],
        kind: Kind,
        dictionary: &mut Dictionary,
    ) -> Result<(ShapeId, i32)> {
        let predicted = self.shapes[shape as usize].next;
        let next = &self.shapes[predicted as usize];
        if predicted != 0 && next.kind == kind && is_same_text(dictionary.get(next.key), key) {
            self.last_list[next.key as usize] = self.list;
            return Ok((predicted, next.key));
        }
        let key = dictionary.intern(key)?;
        Ok((self.step_unpredicted(shape, key, kind), key))
    }

    #[inline(never)]
    fn step_unpredicted(&mut self, shape: ShapeId, key: i32, kind: Kind) -> ShapeId {
        let index = key as usize;
        if index >= self.last_list.len() {
            self.last_list.resize(index + 1, 0);
        }
        let repeated = std::mem::replace(&mut self.last_list[index], self.list) == self.list;
        let next = *self.steps.entry((shape, key, kind)).or_insert_with(|| {
            let own = match kind {
                _ if repeated => Loss::Whole,
                Kind::Text => Loss::Nothing,
                Kind::Irreversible => Loss::Whole,
                _ => Loss::Kinds,
            };
            let loss = self.shapes[shape as usize].loss.max(own);
            self.shapes.push(Shape { before: shape, key, kind, loss, next: 0 });
            (self.shapes.len() - 1) as ShapeId
        });
        self.shapes[shape as usize].next = next;
        next
    }
}

/// A list that is being appended.
#[derive(Clone, Copy)]
pub struct OpenList {
    shape: ShapeId,
    entries: usize,
}

impl OpenList {
    pub fn shape(self) -> ShapeId {
        self.shape
    }
}

/// A map column: for each row a list of keys and values.
#[derive(Default)]
pub struct Attributes {
    offsets: Offsets,
    keys: Store<i32>,
    values: Texts,
    dictionary: Dictionary,
    shapes: Shapes,
}

impl Attributes {
    /// Begin a list.
    #[inline(always)]
    pub fn begin(&mut self) -> OpenList {
        self.shapes.list = self.shapes.list.wrapping_add(1);
        OpenList { shape: 0, entries: 0 }
    }

    /// Append a `KeyValue` that lies `nesting` deep.
    #[inline(always)]
    pub fn push(
        &mut self,
        list: &mut OpenList,
        key_value: &[u8],
        nesting: u32,
        limits: &mut Limits,
    ) -> Result<()> {
        list.entries += 1;
        let Some((key, value)) = split_plain(key_value).filter(|_| list.entries <= ENTRIES_MAX)
        else {
            return self.push_unusual(list, key_value, nesting, limits);
        };
        let kind = push_value(&mut self.values.data, value, nesting + 1, limits)?;
        self.push_key(list, key, kind)
    }

    #[inline(always)]
    fn push_key(&mut self, list: &mut OpenList, key: &[u8], kind: Kind) -> Result<()> {
        let (shape, key) = self.shapes.step(list.shape, key, kind, &mut self.dictionary)?;
        list.shape = shape;
        self.values.close();
        self.keys.push(key);
        Ok(())
    }

    #[inline(never)]
    fn push_unusual(
        &mut self,
        list: &mut OpenList,
        key_value: &[u8],
        nesting: u32,
        limits: &mut Limits,
    ) -> Result<()> {
        limits.count_entries(list.entries);
        let pair = split_key_value(key_value, nesting)?;
        let begin = self.values.data.len();
        let kind = match &pair.value {
            Some(value) => {
                push_any_value(&mut self.values.data, value.as_slice(), nesting + 1, limits)?
            }
            None => Kind::Absent,
        };
        if list.entries > ENTRIES_MAX {
            // The record is refused, so this entry only had to parse.
            self.values.data.truncate(begin);
            return Ok(());
        }
        self.push_key(list, pair.key, kind)
    }

    /// End the list.
    #[inline(always)]
    pub fn close(&mut self) {
        self.offsets.close(self.keys.len());
    }

    /// Append a whole list that was decoded before; `table` is this column's place among those it
    /// goes to.
    #[inline]
    pub fn push_shared(&mut self, shared: &mut SharedList, table: usize) -> Result<()> {
        let keys = &mut shared.keys[table];
        if keys.len() != shared.list.keys.len() {
            keys.clear();
            for key in shared.list.keys.iter() {
                keys.push(self.dictionary.intern(shared.list.dictionary.get(*key))?);
            }
        }
        self.keys.extend_from_slice(keys);
        self.values.extend(&shared.list.values);
        self.close();
        Ok(())
    }

    /// Tell what the columns lose of a list.
    pub fn loss(&self, shape: ShapeId) -> Loss {
        self.shapes.shapes[shape as usize].loss
    }

    /// Append the JSON object that tells which keys have values of which kind.
    pub fn push_kinds(&self, shape: ShapeId, out: &mut Vec<u8>) {
        let mut entries = Vec::new();
        let mut at = shape;
        while at != 0 {
            let shape = &self.shapes.shapes[at as usize];
            entries.push((shape.kind, shape.key));
            at = shape.before;
        }
        entries.reverse();
        out.push(b'{');
        let mut is_first_kind = true;
        for (kind, letter) in Kind::LETTERED {
            let mut keys = entries.iter().filter(|(other, _)| *other == kind).map(|(_, key)| *key);
            let Some(first) = keys.next() else { continue };
            if !std::mem::take(&mut is_first_kind) {
                out.push(b',');
            }
            out.extend_from_slice(&[b'"', letter, b'"', b':', b'[']);
            push_json_text(out, self.dictionary.get(first));
            for key in keys {
                out.push(b',');
                push_json_text(out, self.dictionary.get(key));
            }
            out.push(b']');
        }
        out.push(b'}');
    }

    /// Tell whether the shapes should be forgotten before the next record.
    pub fn is_crowded(&self) -> bool {
        self.shapes.shapes.len() > SHAPES_MAX
    }

    /// Forget all shapes: their numbers have no meaning afterwards.
    pub fn forget_shapes(&mut self) {
        self.shapes = Shapes::default();
    }

    fn field(name: &str) -> Field {
        let key = Field::new("key", dictionary_type(), false);
        let value = Field::new("value", DataType::Utf8, true);
        Field::new(name, DataType::Struct(Fields::from(vec![key, value])), false)
    }
}

/// Split a `KeyValue` of the usual form: the key, then the value, once each. The key is not
/// checked.
#[inline(always)]
fn split_plain(key_value: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = Reader::new(key_value);
    if reader.tag() != Ok(Some(KEY_TAG)) {
        return None;
    }
    let key = reader.bytes().ok()?;
    if reader.tag() != Ok(Some(VALUE_TAG)) {
        return None;
    }
    let value = reader.bytes().ok()?;
    reader.is_empty().then_some((key, value))
}

impl Column for Attributes {
    fn data_type() -> DataType {
        DataType::Map(Arc::new(Attributes::field("entries")), false)
    }

    fn prepare(&mut self) {
        self.offsets.prepare();
        self.keys.prepare();
        self.values.prepare();
    }

    fn len(&self) -> usize {
        self.offsets.len()
    }

    fn truncate(&mut self, elements: usize) {
        let end = self.offsets.truncate(elements);
        self.keys.truncate(end);
        self.values.truncate(end);
    }

    fn commit(&mut self) {
        self.dictionary.commit();
    }

    fn revert(&mut self) {
        self.dictionary.revert();
        self.forget_shapes();
    }

    fn take(&mut self) -> ArrayRef {
        let field = Attributes::field("entries");
        let DataType::Struct(fields) = field.data_type().clone() else {
            unreachable!("the entries of a map are a struct");
        };
        let keys = take_dictionary(&mut self.keys, &mut self.dictionary);
        let entries =
            StructArray::new(fields, vec![Arc::new(keys), Column::take(&mut self.values)], None);
        self.forget_shapes();
        Arc::new(MapArray::new(Arc::new(field), self.offsets.take(), entries, None, false))
    }

    fn widest(&self) -> usize {
        self.values.widest().max(self.keys.len()).max(self.dictionary.widest())
    }
}

/// The attributes of a resource or scope: decoded once, appended to each of its rows.
#[derive(Default)]
pub struct SharedList {
    list: Attributes,
    /// The keys by their numbers in each table's dictionary; empty until the table needs them.
    keys: [Vec<i32>; TABLES_MAX],
}

impl SharedList {
    /// Begin a new list in place of the old one.
    pub fn begin(&mut self) -> OpenList {
        if self.list.is_crowded() {
            *self = SharedList::default();
        }
        self.list.truncate(0);
        self.keys.iter_mut().for_each(Vec::clear);
        self.list.begin()
    }

    pub fn push(
        &mut self,
        list: &mut OpenList,
        key_value: &[u8],
        nesting: u32,
        limits: &mut Limits,
    ) -> Result<()> {
        self.list.push(list, key_value, nesting, limits)
    }

    /// Return the first value of a key, as text.
    pub fn find(&self, key: &[u8]) -> Option<&[u8]> {
        let mut keys = self.list.keys.iter();
        let at = keys.position(|other| self.list.dictionary.get(*other) == key)?;
        Some(self.list.values.get(at))
    }

    pub fn attributes(&self) -> &Attributes {
        &self.list
    }

    /// Return how many bytes the list adds to a row, roughly.
    pub fn size(&self) -> usize {
        self.list.values.data.len() + ENTRY_BYTES * self.list.keys.len()
    }

    pub fn widest(&self) -> usize {
        self.list.widest()
    }
}
