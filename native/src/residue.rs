//! The residue: what the columns lose, as JSON, and the cache that makes it cheap.
//!
//! A [`Residue`] writes one object member by member. Because the text repeats with the shape of the
//! instrumentation, records do not write it each time: they describe themselves as a short row of
//! numbers (shapes, counts, flags) from which alone the text follows, and [`ResidueCache`] finds
//! the text that the same numbers gave before. A record whose residue holds values (a list kept
//! whole, an end time) writes it directly.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::attributes::{Attributes, Loss, ShapeId};
use crate::dictionary::{Dictionary, Symbols};
use crate::number::{push_base64, push_integer, push_json_text};
use crate::value::put_key_value;
use crate::wire::{Reader, Result};

/// Descriptions kept at most, some hundred kilobytes; beyond it we start over.
const DESCRIPTIONS_MAX: usize = 4096;

/// Where an attribute list can be read again: the pieces of the message it is in, and its field's
/// tag.
#[derive(Clone, Copy)]
pub struct Source<'s, 'a> {
    pub message: &'s [&'a [u8]],
    pub tag: u32,
}

impl Source<'_, '_> {
    /// Append the base64 of the list as a canonical `KeyValueList`, in quotes.
    pub fn push_whole(&self, out: &mut Vec<u8>) -> Result<()> {
        let mut list = Vec::new();
        for part in self.message {
            let mut reader = Reader::new(part);
            while let Some(tag) = reader.tag()? {
                if tag == self.tag {
                    put_key_value(&mut list, reader.bytes()?)?;
                } else {
                    reader.skip(tag, 0)?;
                }
            }
        }
        push_base64_text(out, &list);
        Ok(())
    }
}

pub fn push_base64_text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    push_base64(out, bytes);
    out.push(b'"');
}

/// A JSON object that is written member by member, and is not there when it has none.
#[derive(Default)]
pub struct Residue {
    text: Vec<u8>,
}

impl Residue {
    /// Begin with the members of an object that was written before.
    pub fn begin(&mut self, members: &[u8]) {
        self.text.clear();
        self.text.extend_from_slice(members);
    }

    /// Begin a member and return where its value goes.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !matches!(self.text.last(), None | Some(b'{')) {
            self.text.push(b',');
        }
        push_json_text(&mut self.text, name.as_bytes());
        self.text.push(b':');
        &mut self.text
    }

    pub fn number(&mut self, name: &str, value: impl itoa::Integer) {
        push_integer(self.member(name), value);
    }

    /// A count or flags: 0 is what an absent one means.
    pub fn nonzero(&mut self, name: &str, value: u32) {
        if value != 0 {
            self.number(name, value);
        }
    }

    pub fn text(&mut self, name: &str, value: &[u8]) {
        push_json_text(self.member(name), value);
    }

    /// Describe an attribute list if anything of it is lost.
    pub fn list(
        &mut self,
        name: &str,
        column: &Attributes,
        shape: ShapeId,
        source: Source<'_, '_>,
    ) -> Result<()> {
        match column.loss(shape) {
            Loss::Nothing => Ok(()),
            Loss::Kinds => {
                column.push_kinds(shape, self.member(name));
                Ok(())
            }
            Loss::Whole => source.push_whole(self.member(name)),
        }
    }

    /// Begin an object as a member; `close` ends it.
    pub fn open(&mut self, name: &str) {
        self.member(name).push(b'{');
    }

    pub fn close(&mut self) {
        self.text.push(b'}');
    }

    /// Return the members written so far.
    pub fn members(&self) -> &[u8] {
        &self.text
    }

    /// Return the whole text: an object, or nothing.
    pub fn finish(&mut self) -> &[u8] {
        if !self.text.is_empty() {
            self.text.insert(0, b'{');
            self.text.push(b'}');
        }
        &self.text
    }
}

/// What stands in a description in place of a shape that loses nothing.
const NO_LOSS: u32 = 0;

/// A record's residue as numbers: equal numbers, equal text.
#[derive(Default)]
pub struct Description {
    words: Vec<u32>,
    /// Whether the text holds values, which numbers do not tell.
    has_values: bool,
}

impl Description {
    /// Begin with the record's attributes and the numbers that every record of its signal has.
    #[inline(always)]
    pub fn begin<const N: usize>(&mut self, column: &Attributes, shape: ShapeId, words: [u32; N]) {
        self.words.clear();
        self.words.extend_from_slice(&words);
        self.has_values = false;
        self.push_list(column, shape);
    }

    #[inline(always)]
    pub fn push(&mut self, word: u32) {
        self.words.push(word);
    }

    #[inline(always)]
    pub fn push_list(&mut self, column: &Attributes, shape: ShapeId) {
        let loss = column.loss(shape);
        self.has_values |= loss == Loss::Whole;
        self.words.push(if loss == Loss::Nothing { NO_LOSS } else { shape });
    }

    pub fn push_values(&mut self) {
        self.has_values = true;
    }
}

struct Known {
    begin: u32,
    length: u32,
    key: i32,
}

/// The texts that descriptions gave before, as numbers of the residue column's dictionary.
#[derive(Default)]
pub struct ResidueCache {
    words: Vec<u32>,
    known: Vec<Known>,
    table: HashTable<u32>,
    hasher: RandomState,
    /// What was found last; the next record is often like it.
    last: u32,
    contexts: Dictionary,
}

impl ResidueCache {
    /// Return a number for the members that resource and scope give to each record's residue.
    pub fn context(&mut self, members: &[u8]) -> Result<u32> {
        self.contexts.intern(members).map(|id| id as u32)
    }

    /// Append a record's residue to its column; `write` writes it if it is not known.
    #[inline(always)]
    pub fn push(
        &mut self,
        column: &mut Symbols,
        description: &Description,
        residue: &mut Residue,
        write: impl FnOnce(&mut Residue) -> Result<()>,
    ) -> Result<()> {
        if description.has_values {
            write(residue)?;
            return column.push(residue.finish());
        }
        let words = description.words.as_slice();
        if let Some(last) = self.known.get(self.last as usize)
            && self.words_of(last) == words
        {
            column.push_key(last.key);
            return Ok(());
        }
        let hash = self.hasher.hash_one(words);
        let found =
            self.table.find(hash, |known| self.words_of(&self.known[*known as usize]) == words);
        self.last = match found {
            Some(known) => *known,
            None => {
                write(residue)?;
                let key = column.intern(residue.finish())?;
                self.insert(hash, words, key)
            }
        };
        column.push_key(self.known[self.last as usize].key);
        Ok(())
    }

    fn words_of(&self, known: &Known) -> &[u32] {
        &self.words[known.begin as usize..][..known.length as usize]
    }

    #[inline(never)]
    fn insert(&mut self, hash: u64, words: &[u32], key: i32) -> u32 {
        if self.known.len() >= DESCRIPTIONS_MAX {
            self.words.clear();
            self.known.clear();
            self.table.clear();
        }
        let number = self.known.len() as u32;
        self.known.push(Known { begin: self.words.len() as u32, length: words.len() as u32, key });
        self.words.extend_from_slice(words);
        let (all, known, hasher) = (&self.words, &self.known, &self.hasher);
        self.table.insert_unique(hash, number, |other| {
            let known = &known[*other as usize];
            hasher.hash_one(&all[known.begin as usize..][..known.length as usize])
        });
        number
    }

    /// Forget everything, because shapes or dictionary numbers lost their meaning.
    pub fn forget(&mut self) {
        *self = ResidueCache::default();
    }
}
