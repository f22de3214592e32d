//! The protobuf wire format, read in place.
//!
//! A [`Reader`] walks the fields of one message over the request's own bytes: nothing is copied and
//! nothing is built. It accepts and rejects what the protobuf library does (its limits on tags,
//! lengths and nesting included), because the reference decoder is built on that library.
//!
//! Callers match on the whole tag (field number and wire type together). A known field with another
//! wire type therefore falls through to [`Reader::skip`], which is what the format asks for.

use std::fmt;

/// How deep messages and groups may nest, the request itself not counted: the protobuf library's
/// limit.
pub const NESTING_MAX: u32 = 100;

/// Bytes of a tag or a length at most; the library refuses longer ones even where only padding is
/// added.
const SHORT_VARINT_BYTES_MAX: usize = 5;

/// Bytes of any other varint at most: 64 bits, seven in each.
const VARINT_BYTES_MAX: usize = 10;

/// Why a request was not decoded. Nothing of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes do not parse.
    Malformed(&'static str),
    /// The rows would take more than one request may.
    TooHeavy,
    /// The rows do not fit beside those that are held.
    Capacity,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Malformed(why) => write!(f, "malformed request: {why}"),
            Error::TooHeavy => write!(f, "the rows of the request would take too much memory"),
            Error::Capacity => write!(f, "the rows do not fit into one batch"),
        }
    }
}

impl std::error::Error for Error {}

pub type Result<T> = std::result::Result<T, Error>;

pub const VARINT: u32 = 0;
pub const FIXED64: u32 = 1;
pub const BYTES: u32 = 2;
const GROUP: u32 = 3;
const GROUP_END: u32 = 4;
pub const FIXED32: u32 = 5;

/// Return the tag of a field: its number and its wire type as one number.
pub const fn tag(field: u32, wire_type: u32) -> u32 {
    field << 3 | wire_type
}

/// What is left of one message.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline(always)]
    pub fn new(message: &'a [u8]) -> Self {
        Reader { rest: message }
    }

    /// Return the next field's tag, or `None` at the end of the message.
    #[inline(always)]
    pub fn tag(&mut self) -> Result<Option<u32>> {
        match self.rest {
            [] => Ok(None),
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(Some(u32::from(*byte)))
            }
            _ => self.short_varint().map(Some),
        }
    }

    /// Pass over the next tag if it is this one, a tag of one byte. Entries of a list follow each other.
    #[inline(always)]
    pub fn continues(&mut self, tag: u32) -> bool {
        match self.rest {
            [byte, rest @ ..] if u32::from(*byte) == tag && tag < 0x80 => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Read a tag or a length: at most five bytes and 32 bits.
    #[inline(never)]
    fn short_varint(&mut self) -> Result<u32> {
        let mut value = 0u64;
        for (i, byte) in self.rest.iter().take(SHORT_VARINT_BYTES_MAX).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if *byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return u32::try_from(value)
                    .map_err(|_| Error::Malformed("a tag or length over 32 bits"));
            }
        }
        Err(Error::Malformed("a tag or length that does not end"))
    }

    /// Read a varint; bits beyond the 64th are dropped.
    #[inline(always)]
    pub fn varint(&mut self) -> Result<u64> {
        match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(),
        }
    }

    #[inline(never)]
    fn long_varint(&mut self) -> Result<u64> {
        let mut value = 0u64;
        for (i, byte) in self.rest.iter().take(VARINT_BYTES_MAX).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * i);
            if *byte < 0x80 {
                self.rest = &self.rest[i + 1..];
                return Ok(value);
            }
        }
        Err(Error::Malformed("a varint that does not end"))
    }

    /// Read a length and that many bytes.
    #[inline(always)]
    pub fn bytes(&mut self) -> Result<&'a [u8]> {
        let length = match self.rest {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.rest = rest;
                usize::from(*byte)
            }
            // A length above the 31st bit is longer than any body, so the split below refuses it.
            _ => self.short_varint()? as usize,
        };
        match self.rest.split_at_checked(length) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => Err(Error::Malformed("a field longer than its message")),
        }
    }

    /// Read a length and that many bytes of text.
    #[inline(always)]
    pub fn text(&mut self) -> Result<&'a [u8]> {
        let bytes = self.bytes()?;
        check_text(bytes)?;
        Ok(bytes)
    }

    #[inline(always)]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(*bytes)
            }
            None => Err(Error::Malformed("a fixed-width field cut short")),
        }
    }

    #[inline(always)]
    pub fn fixed32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline(always)]
    pub fn fixed64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    #[inline(always)]
    pub fn double(&mut self) -> Result<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// Pass over the value of an unknown field in a message that lies `nesting` deep.
    #[inline(never)]
    pub fn skip(&mut self, tag: u32, nesting: u32) -> Result<()> {
        if tag >> 3 == 0 {
            return Err(Error::Malformed("field number 0"));
        }
        match tag & 7 {
            VARINT => self.varint().map(drop),
            FIXED64 => self.fixed64().map(drop),
            BYTES => self.bytes().map(drop),
            GROUP => self.skip_group(tag >> 3, nesting + 1),
            FIXED32 => self.fixed32().map(drop),
            GROUP_END => Err(Error::Malformed("a group that ends without a start")),
            _ => Err(Error::Malformed("an unknown wire type")),
        }
    }

    /// Pass over a group up to its end. Recursion is bounded by `NESTING_MAX`.
    fn skip_group(&mut self, field: u32, nesting: u32) -> Result<()> {
        check_nesting(nesting)?;
        loop {
            match self.tag()? {
                Some(tag) if tag == field << 3 | GROUP_END => return Ok(()),
                Some(tag) => self.skip(tag, nesting)?,
                None => return Err(Error::Malformed("a group without an end")),
            }
        }
    }

    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

/// Refuse a message that lies deeper than the protobuf library would follow.
#[inline(always)]
pub fn check_nesting(nesting: u32) -> Result<()> {
    if nesting > NESTING_MAX {
        return Err(Error::Malformed("messages nested too deep"));
    }
    Ok(())
}

/// Refuse bytes that are not UTF-8.
#[inline(always)]
pub fn check_text(bytes: &[u8]) -> Result<()> {
    if is_ascii(bytes) || std::str::from_utf8(bytes).is_ok() {
        return Ok(());
    }
    Err(Error::Malformed("a string that is not UTF-8"))
}

/// Tell whether `bytes` are ASCII. Most strings of telemetry are, and are short: for those a call
/// into the library's check costs more than the check.
#[inline(always)]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH_BITS: u64 = 0x8080_8080_8080_8080;
    let (words, tail) = bytes.as_chunks::<8>();
    let seen = match bytes.last_chunk::<8>() {
        // The last eight bytes overlap the words before: together they are all bytes.
        Some(last) => words
            .iter()
            .fold(u64::from_le_bytes(*last), |seen, word| seen | u64::from_le_bytes(*word)),
        None => tail.iter().fold(0, |seen, byte| seen | u64::from(*byte)),
    };
    seen & HIGH_BITS == 0
}

/// Compare two short texts that are usually the same, without a call.
#[inline(always)]
pub fn is_same_text(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(last_a), Some(last_b)) => {
            let (words_a, words_b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
            last_a == last_b && words_a.iter().zip(words_b).all(|(a, b)| a == b)
        }
        _ => match (a.first_chunk::<4>(), b.first_chunk::<4>()) {
            (Some(first_a), Some(first_b)) => {
                first_a == first_b && a.last_chunk::<4>() == b.last_chunk::<4>()
            }
            _ => a.iter().zip(b).all(|(a, b)| a == b),
        },
    }
}

/// A message that may have arrived in several pieces.
///
/// A singular message field that occurs twice is merged, and merging is the same as parsing the
/// pieces one after the other. `Parts` keeps the pieces instead of joining their bytes.
#[derive(Clone, Debug)]
pub enum Parts<'a> {
    One(&'a [u8]),
    Many(Vec<&'a [u8]>),
}

impl<'a> Parts<'a> {
    pub fn push(&mut self, part: &'a [u8]) {
        match self {
            Parts::One(first) => *self = Parts::Many(vec![first, part]),
            Parts::Many(parts) => parts.push(part),
        }
    }

    pub fn as_slice(&self) -> &[&'a [u8]] {
        match self {
            Parts::One(part) => std::slice::from_ref(part),
            Parts::Many(parts) => parts,
        }
    }
}

/// Append a piece to a message that may not have begun yet.
pub fn merge_part<'a>(slot: &mut Option<Parts<'a>>, part: &'a [u8]) {
    match slot {
        Some(parts) => parts.push(part),
        None => *slot = Some(Parts::One(part)),
    }
}

/// Writes canonical protobuf, for the values that the residue keeps whole.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn put_bytes(out: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(out, u64::from(tag(field, BYTES)));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Write a nested message: `body` writes its fields, the length is put before them afterwards.
pub fn put_message(
    out: &mut Vec<u8>,
    field: u32,
    body: impl FnOnce(&mut Vec<u8>) -> Result<()>,
) -> Result<()> {
    put_varint(out, u64::from(tag(field, BYTES)));
    let start = out.len();
    body(out)?;
    let mut length = Vec::with_capacity(SHORT_VARINT_BYTES_MAX);
    put_varint(&mut length, (out.len() - start) as u64);
    out.splice(start..start, length);
    Ok(())
}

#[cfg(test)]
mod tests;
