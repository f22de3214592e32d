//! Columns of texts that repeat: each text is kept once, and rows hold its number.

use std::hash::BuildHasher;
use std::marker::PhantomData;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int32Array, StringArray};
use arrow_buffer::ScalarBuffer;
use arrow_schema::DataType;
use foldhash::fast::RandomState;
use hashbrown::HashTable;

use crate::columns::{Column, Store, Texts};
use crate::wire::{Error, Result, check_text, is_same_text};

/// The distinct texts of a column, numbered as they came.
#[derive(Default)]
pub struct Dictionary {
    texts: Texts,
    table: HashTable<i32>,
    hasher: RandomState,
    committed: usize,
}

impl Dictionary {
    /// Return the number of a text, giving it one if it is new. Only a new text needs the UTF-8
    /// check.
    #[inline(always)]
    pub fn intern(&mut self, text: &[u8]) -> Result<i32> {
        let hash = self.hasher.hash_one(text);
        let texts = &self.texts;
        match self.table.find(hash, |id| is_same_text(texts.get(*id as usize), text)) {
            Some(id) => Ok(*id),
            None => self.insert(hash, text),
        }
    }

    #[inline(never)]
    fn insert(&mut self, hash: u64, text: &[u8]) -> Result<i32> {
        check_text(text)?;
        if self.texts.data.len() + text.len() > i32::MAX as usize {
            return Err(Error::Capacity);
        }
        let id = self.texts.len() as i32;
        self.texts.push(text);
        let (texts, hasher) = (&self.texts, &self.hasher);
        self.table.insert_unique(hash, id, |id| hasher.hash_one(texts.get(*id as usize)));
        Ok(id)
    }

    #[inline(always)]
    pub fn get(&self, id: i32) -> &[u8] {
        self.texts.get(id as usize)
    }

    pub fn commit(&mut self) {
        self.committed = self.texts.len();
    }

    pub fn revert(&mut self) {
        for id in self.committed..self.texts.len() {
            let hash = self.hasher.hash_one(self.texts.get(id));
            if let Ok(entry) = self.table.find_entry(hash, |other| *other as usize == id) {
                entry.remove();
            }
        }
        Column::truncate(&mut self.texts, self.committed);
    }

    pub fn widest(&self) -> usize {
        self.texts.data.len()
    }

    fn take_array(&mut self) -> StringArray {
        self.table.clear();
        self.committed = 0;
        self.texts.take_array()
    }
}

pub fn dictionary_type() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

/// Take dictionary numbers and what they stand for as one array.
pub fn take_dictionary(
    keys: &mut Store<i32>,
    dictionary: &mut Dictionary,
) -> DictionaryArray<Int32Type> {
    let keys = Int32Array::new(ScalarBuffer::from(keys.take()), None);
    DictionaryArray::new(keys, Arc::new(dictionary.take_array()))
}

/// Strings that repeat.
#[derive(Default)]
pub struct Symbols {
    keys: Store<i32>,
    dictionary: Dictionary,
}

impl Symbols {
    #[inline(always)]
    pub fn push(&mut self, text: &[u8]) -> Result<()> {
        let key = self.dictionary.intern(text)?;
        self.keys.push(key);
        Ok(())
    }

    #[inline(always)]
    pub fn intern(&mut self, text: &[u8]) -> Result<i32> {
        self.dictionary.intern(text)
    }

    #[inline(always)]
    pub fn push_key(&mut self, key: i32) {
        self.keys.push(key);
    }
}

impl Column for Symbols {
    fn data_type() -> DataType {
        dictionary_type()
    }

    fn prepare(&mut self) {
        self.keys.prepare();
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn truncate(&mut self, elements: usize) {
        self.keys.truncate(elements);
    }

    fn commit(&mut self) {
        self.dictionary.commit();
    }

    fn revert(&mut self) {
        self.dictionary.revert();
    }

    fn take(&mut self) -> ArrayRef {
        Arc::new(take_dictionary(&mut self.keys, &mut self.dictionary))
    }

    fn widest(&self) -> usize {
        self.dictionary.widest()
    }
}

/// The names of an enumeration, in the order of its numbers.
pub trait Names {
    const NAMES: &'static [&'static str];
}

/// Numbers of an enumeration that are shown by name.
pub struct Choices<N: Names> {
    keys: Store<i32>,
    names: PhantomData<N>,
}

impl<N: Names> Default for Choices<N> {
    fn default() -> Self {
        Choices { keys: Store::default(), names: PhantomData }
    }
}

impl<N: Names> Choices<N> {
    /// Tell whether a number belongs to the enumeration.
    pub fn is_named(number: i32) -> bool {
        usize::try_from(number).is_ok_and(|number| number < N::NAMES.len())
    }

    /// Append a number; one outside the enumeration has the first name.
    #[inline(always)]
    pub fn push(&mut self, number: i32) {
        self.keys.push(if Self::is_named(number) { number } else { 0 });
    }
}

impl<N: Names> Column for Choices<N> {
    fn data_type() -> DataType {
        dictionary_type()
    }

    fn prepare(&mut self) {
        self.keys.prepare();
    }

    fn len(&self) -> usize {
        self.keys.len()
    }

    fn truncate(&mut self, elements: usize) {
        self.keys.truncate(elements);
    }

    fn take(&mut self) -> ArrayRef {
        let keys = Int32Array::new(ScalarBuffer::from(self.keys.take()), None);
        let names = StringArray::from_iter_values(N::NAMES);
        Arc::new(DictionaryArray::<Int32Type>::new(keys, Arc::new(names)))
    }
}
