//! `AnyValue`: from wire to text, and again to canonical protobuf.
//!
//! The text goes straight into the column that keeps it. Nested values become JSON there; while it
//! is written, [`Limits`] learns whether a list is too long or too deep, and the return value tells
//! which letter the residue uses for the value.
//!
//! Merging: a oneof keeps its last case, and an array or list that arrives in pieces is one list.
//! [`resolve`] does both, and parses what a later case displaced, because a request is malformed
//! wherever it does not parse. Recursion is bounded by the protobuf library's own limit on nesting.

use crate::number::{push_base64, push_double, push_integer, push_json_double, push_json_text};
use crate::wire::{
    BYTES, FIXED64, NESTING_MAX, Parts, Reader, Result, VARINT, check_nesting, check_text,
    merge_part, put_bytes, put_message, put_varint, tag,
};

/// Entries of one list at most: more is no description of anything, and would cost every reader.
pub const ENTRIES_MAX: usize = 1024;

/// How deep values may nest; a top-level value has depth 1. Deeper ones are refused, not parsed
/// away.
const DEPTH_MAX: u32 = 24;

/// Comparing each key with those before is cheaper than a set up to about this many keys.
const PAIRWISE_KEYS_MAX: usize = 16;

/// Which limits a record went over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub count: bool,
    pub depth: bool,
}

impl Limits {
    pub fn join(self, other: Limits) -> Limits {
        Limits { count: self.count || other.count, depth: self.depth || other.depth }
    }

    #[inline(always)]
    pub fn count_entries(&mut self, entries: usize) {
        self.count |= entries > ENTRIES_MAX;
    }
}

/// What a value was, as far as its text does not tell. The letters are those of the residue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A string: nothing is lost.
    Text = 0,
    Int = 1,
    Double = 2,
    Bool = 3,
    Bytes = 4,
    /// An array or key-value list whose JSON can be read back.
    Nested = 5,
    /// A value with no case set.
    Empty = 6,
    /// No value at all.
    Absent = 7,
    /// An array or key-value list whose JSON cannot be read back.
    Irreversible = 8,
}

impl Kind {
    /// The kinds that the residue lists by letter, in its order.
    pub const LETTERED: [(Kind, u8); 7] = [
        (Kind::Int, b'i'),
        (Kind::Double, b'd'),
        (Kind::Bool, b'b'),
        (Kind::Bytes, b'y'),
        (Kind::Nested, b'j'),
        (Kind::Empty, b'n'),
        (Kind::Absent, b'u'),
    ];
}

const TEXT_TAG: u32 = tag(1, BYTES);
const BOOL_TAG: u32 = tag(2, VARINT);
const INT_TAG: u32 = tag(3, VARINT);
const DOUBLE_TAG: u32 = tag(4, FIXED64);
const ARRAY_TAG: u32 = tag(5, BYTES);
const LIST_TAG: u32 = tag(6, BYTES);
const BYTES_TAG: u32 = tag(7, BYTES);

const KEY_TAG: u32 = tag(1, BYTES);
const VALUE_TAG: u32 = tag(2, BYTES);

/// The elements of an `ArrayValue` and of a `KeyValueList`.
const ELEMENT_TAG: u32 = tag(1, BYTES);

/// An `AnyValue` with its oneof decided.
enum Value<'a> {
    Empty,
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(&'a [u8]),
    Array(Parts<'a>),
    List(Parts<'a>),
}

/// Decide the oneof of an `AnyValue` that lies `nesting` deep.
fn resolve<'a>(value: &[&'a [u8]], nesting: u32) -> Result<Value<'a>> {
    check_nesting(nesting)?;
    let mut resolved = Value::Empty;
    for part in value {
        let mut reader = Reader::new(part);
        while let Some(tag) = reader.tag()? {
            let next = match tag {
                TEXT_TAG => Value::Text(reader.text()?),
                BOOL_TAG => Value::Bool(reader.varint()? != 0),
                INT_TAG => Value::Int(reader.varint()? as i64),
                DOUBLE_TAG => Value::Double(reader.double()?),
                BYTES_TAG => Value::Bytes(reader.bytes()?),
                ARRAY_TAG => {
                    let elements = reader.bytes()?;
                    if let Value::Array(parts) = &mut resolved {
                        parts.push(elements);
                        continue;
                    }
                    Value::Array(Parts::One(elements))
                }
                LIST_TAG => {
                    let elements = reader.bytes()?;
                    if let Value::List(parts) = &mut resolved {
                        parts.push(elements);
                        continue;
                    }
                    Value::List(Parts::One(elements))
                }
                _ => {
                    reader.skip(tag, nesting)?;
                    continue;
                }
            };
            if matches!(resolved, Value::Empty) {
                resolved = next;
            } else {
                let displaced = std::mem::replace(&mut resolved, next);
                check_value(&displaced, nesting)?;
            }
        }
    }
    Ok(resolved)
}

/// Parse a value that is not kept.
fn check_value(value: &Value<'_>, nesting: u32) -> Result<()> {
    match value {
        Value::Array(_) | Value::List(_) => {
            let mut unused = Vec::new();
            Writer::new(&mut unused, &mut Limits::default()).json(value, 1, nesting).map(drop)
        }
        _ => Ok(()),
    }
}

/// A key-value pair, its parts merged.
pub struct KeyValue<'a> {
    pub key: &'a [u8],
    pub value: Option<Parts<'a>>,
}

/// Split a `KeyValue` that lies `nesting` deep. The key is checked, the value is not looked into.
pub fn split_key_value(bytes: &[u8], nesting: u32) -> Result<KeyValue<'_>> {
    check_nesting(nesting)?;
    let mut pair = KeyValue { key: b"", value: None };
    let mut reader = Reader::new(bytes);
    while let Some(tag) = reader.tag()? {
        match tag {
            KEY_TAG => pair.key = reader.text()?,
            VALUE_TAG => merge_part(&mut pair.value, reader.bytes()?),
            _ => reader.skip(tag, nesting)?,
        }
    }
    Ok(pair)
}

/// Call `visit` for each element of an `ArrayValue` or `KeyValueList` that lies `nesting` deep.
fn each_element<'a>(
    list: &[&'a [u8]],
    nesting: u32,
    mut visit: impl FnMut(&'a [u8]) -> Result<()>,
) -> Result<()> {
    check_nesting(nesting)?;
    for part in list {
        let mut reader = Reader::new(part);
        while let Some(tag) = reader.tag()? {
            match tag {
                ELEMENT_TAG => visit(reader.bytes()?)?,
                _ => reader.skip(tag, nesting)?,
            }
        }
    }
    Ok(())
}

/// Append the text of an attribute's value, and say what it was. `nesting` is that of the value.
#[inline(always)]
pub fn push_value(
    out: &mut Vec<u8>,
    value: &[u8],
    nesting: u32,
    limits: &mut Limits,
) -> Result<Kind> {
    let plain = match Plain::read(value) {
        Some(plain) => plain,
        None => return push_any_value(out, &[value], nesting, limits),
    };
    Ok(match plain {
        Plain::Text(text) => {
            check_text(text)?;
            out.extend_from_slice(text);
            Kind::Text
        }
        Plain::Bool(value) => {
            out.extend_from_slice(bool_text(value));
            Kind::Bool
        }
        Plain::Int(value) => {
            push_integer(out, value);
            Kind::Int
        }
        Plain::Double(value) => {
            push_double(out, value);
            Kind::Double
        }
        Plain::Array(elements) => return push_array(out, elements, nesting, limits),
    })
}

/// Append the JSON of an array that came in one piece; `nesting` is that of its value.
#[inline(never)]
fn push_array(
    out: &mut Vec<u8>,
    elements: &[u8],
    nesting: u32,
    limits: &mut Limits,
) -> Result<Kind> {
    let mut writer = Writer::new(out, limits);
    writer.json_array(&[elements], 1, nesting + 1)?;
    Ok(writer.kind())
}

/// A value of the usual form: one field that fills its message.
enum Plain<'a> {
    /// Not yet checked.
    Text(&'a [u8]),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(&'a [u8]),
}

impl<'a> Plain<'a> {
    /// Read a value of the usual form; all else, malformed values included, takes the general way.
    #[inline(always)]
    fn read(value: &'a [u8]) -> Option<Plain<'a>> {
        match value {
            [0x0a, length, text @ ..] if *length < 0x80 && usize::from(*length) == text.len() => {
                Some(Plain::Text(text))
            }
            [0x10, value @ (0 | 1)] => Some(Plain::Bool(*value == 1)),
            [0x18, varint @ ..] => {
                let mut reader = Reader::new(varint);
                let value = reader.varint().ok()?;
                reader.is_empty().then_some(Plain::Int(value as i64))
            }
            [0x21, double @ ..] => {
                let double = <[u8; 8]>::try_from(double).ok()?;
                Some(Plain::Double(f64::from_le_bytes(double)))
            }
            [0x2a, length, elements @ ..]
                if *length < 0x80 && usize::from(*length) == elements.len() =>
            {
                Some(Plain::Array(elements))
            }
            _ => None,
        }
    }
}

/// Append the text of a value in any number of parts.
#[inline(never)]
pub fn push_any_value(
    out: &mut Vec<u8>,
    value: &[&[u8]],
    nesting: u32,
    limits: &mut Limits,
) -> Result<Kind> {
    let value = resolve(value, nesting)?;
    match &value {
        Value::Empty => return Ok(Kind::Empty),
        Value::Text(text) => {
            out.extend_from_slice(text);
            return Ok(Kind::Text);
        }
        Value::Bool(value) => {
            out.extend_from_slice(bool_text(*value));
            return Ok(Kind::Bool);
        }
        Value::Int(value) => {
            push_integer(out, *value);
            return Ok(Kind::Int);
        }
        Value::Double(value) => {
            push_double(out, *value);
            return Ok(Kind::Double);
        }
        Value::Bytes(bytes) => {
            push_base64(out, bytes);
            return Ok(Kind::Bytes);
        }
        Value::Array(_) | Value::List(_) => (),
    }
    let mut writer = Writer::new(out, limits);
    writer.json(&value, 1, nesting)?;
    Ok(writer.kind())
}

fn bool_text(value: bool) -> &'static [u8] {
    if value { b"true" } else { b"false" }
}

/// Writes nested values as JSON.
struct Writer<'o> {
    out: &'o mut Vec<u8>,
    limits: &'o mut Limits,
    /// Whether the values written so far can be read back from their JSON.
    reversible: bool,
}

impl<'o> Writer<'o> {
    fn new(out: &'o mut Vec<u8>, limits: &'o mut Limits) -> Self {
        Writer { out, limits, reversible: true }
    }

    /// Return what a nested value is that has been written.
    fn kind(&self) -> Kind {
        if self.reversible { Kind::Nested } else { Kind::Irreversible }
    }

    /// Write a value of the given depth in a message that lies `nesting` deep.
    fn json(&mut self, value: &Value<'_>, depth: u32, nesting: u32) -> Result<()> {
        // Too deep only makes the record refused; it still has to parse, and to be counted.
        self.limits.depth |= depth > DEPTH_MAX;
        match value {
            Value::Empty => self.out.extend_from_slice(b"null"),
            Value::Text(text) => push_json_text(self.out, text),
            Value::Bool(value) => self.out.extend_from_slice(bool_text(*value)),
            Value::Int(value) => push_integer(self.out, *value),
            Value::Double(value) => self.reversible &= push_json_double(self.out, *value),
            Value::Bytes(bytes) => {
                self.reversible = false;
                self.out.push(b'"');
                push_base64(self.out, bytes);
                self.out.push(b'"');
            }
            Value::Array(parts) => self.json_array(parts.as_slice(), depth, nesting + 1)?,
            Value::List(parts) => self.json_list(parts, depth, nesting + 1)?,
        }
        Ok(())
    }

    fn json_array(&mut self, array: &[&[u8]], depth: u32, nesting: u32) -> Result<()> {
        let mut count = 0;
        self.out.push(b'[');
        each_element(array, nesting, |element| {
            self.separate(count);
            count += 1;
            self.json_element(element, depth + 1, nesting + 1)
        })?;
        self.out.push(b']');
        self.limits.count_entries(count);
        Ok(())
    }

    /// Write a value that came in one piece.
    #[inline(always)]
    fn json_element(&mut self, value: &[u8], depth: u32, nesting: u32) -> Result<()> {
        if let Some(Plain::Text(text)) = Plain::read(value)
            && nesting <= NESTING_MAX
        {
            self.limits.depth |= depth > DEPTH_MAX;
            check_text(text)?;
            push_json_text(self.out, text);
            return Ok(());
        }
        self.json(&resolve(&[value], nesting)?, depth, nesting)
    }

    fn json_list(&mut self, list: &Parts<'_>, depth: u32, nesting: u32) -> Result<()> {
        let mut keys = Vec::new();
        self.out.push(b'{');
        each_element(list.as_slice(), nesting, |element| {
            let pair = split_key_value(element, nesting + 1)?;
            self.separate(keys.len());
            keys.push(pair.key);
            push_json_text(self.out, pair.key);
            self.out.push(b':');
            match &pair.value {
                Some(Parts::One(value)) => self.json_element(value, depth + 1, nesting + 2),
                Some(parts) => {
                    self.json(&resolve(parts.as_slice(), nesting + 2)?, depth + 1, nesting + 2)
                }
                None => {
                    self.reversible = false;
                    self.out.extend_from_slice(b"null");
                    Ok(())
                }
            }
        })?;
        self.out.push(b'}');
        self.limits.count_entries(keys.len());
        self.reversible = self.reversible && !has_repeated_key(&mut keys);
        Ok(())
    }

    fn separate(&mut self, before: usize) {
        if before > 0 {
            self.out.push(b',');
        }
    }
}

fn has_repeated_key(keys: &mut [&[u8]]) -> bool {
    if keys.len() <= PAIRWISE_KEYS_MAX {
        return keys.iter().enumerate().any(|(i, key)| keys[..i].contains(key));
    }
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

/// Append the canonical bytes of an `AnyValue` that has been parsed before.
pub fn put_any_value(out: &mut Vec<u8>, value: &[&[u8]]) -> Result<()> {
    match resolve(value, 0)? {
        Value::Empty => (),
        Value::Text(text) => put_bytes(out, 1, text),
        Value::Bool(value) => {
            put_varint(out, u64::from(BOOL_TAG));
            put_varint(out, u64::from(value));
        }
        Value::Int(value) => {
            put_varint(out, u64::from(INT_TAG));
            put_varint(out, value as u64);
        }
        Value::Double(value) => {
            put_varint(out, u64::from(DOUBLE_TAG));
            out.extend_from_slice(&value.to_le_bytes());
        }
        Value::Bytes(bytes) => put_bytes(out, 7, bytes),
        Value::Array(parts) => put_message(out, 5, |out| {
            each_element(parts.as_slice(), 0, |element| {
                put_message(out, 1, |out| put_any_value(out, &[element]))
            })
        })?,
        Value::List(parts) => put_message(out, 6, |out| {
            each_element(parts.as_slice(), 0, |element| put_key_value(out, element))
        })?,
    }
    Ok(())
}

/// Append a `KeyValue` as an element of a canonical `KeyValueList`.
pub fn put_key_value(out: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    let pair = split_key_value(bytes, 0)?;
    put_message(out, 1, |out| {
        if !pair.key.is_empty() {
            put_bytes(out, 1, pair.key);
        }
        match &pair.value {
            Some(parts) => put_message(out, 2, |out| put_any_value(out, parts.as_slice())),
            None => Ok(()),
        }
    })
}

#[cfg(test)]
mod tests;
