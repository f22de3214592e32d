//! What the records of one scope have in common: the call, the resource and the scope.
//!
//! All three signals wrap their records alike: a request holds resource messages, those hold scope
//! messages, and both have a singular message, a repeated one and a schema URL under the same field
//! numbers. The singular message may come after the records, and twice, so each wrapper is read
//! once for what it says and once more for what it holds.

use crate::attributes::{OpenList, SharedList};
use crate::residue::{Residue, Source, push_base64_text};
use crate::value::Limits;
use crate::weight::{ROW_BYTES, Weight};
use crate::wire::{
    BYTES, Error, Parts, Reader, Result, VARINT, check_nesting, merge_part, put_bytes, tag,
};

/// How far ahead of the receiver's clock a record's time may be.
const AHEAD_MAX_NS: i64 = 24 * 3600 * 1_000_000_000;

const UNKNOWN_SERVICE: &[u8] = b"unknown";

/// Why a record is refused; the first that applies is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    AttributeCount = 0,
    AttributeDepth,
    TraceId,
    SpanId,
    ParentSpanId,
    Time,
}

impl Reason {
    pub const NAMES: [&'static str; 6] =
        ["attribute_count", "attribute_depth", "trace_id", "span_id", "parent_span_id", "time"];

    /// Return the reason that the limits give, if any.
    pub fn of_limits(limits: Limits) -> Option<Reason> {
        match limits {
            Limits { count: true, .. } => Some(Reason::AttributeCount),
            Limits { depth: true, .. } => Some(Reason::AttributeDepth),
            _ => None,
        }
    }
}

/// What became of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    pub accepted: u64,
    /// By the number of the reason.
    pub refused: [u64; 6],
}

impl Outcome {
    pub fn refuse(&mut self, reason: Reason) {
        self.refused[reason as usize] += 1;
    }
}

/// What comes with a request.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub frame: u64,
    pub received: i64,
    pub oldest: i64,
}

impl Call {
    /// Tell whether a record may have this time.
    #[inline(always)]
    pub fn allows(&self, time: u64) -> bool {
        let newest = self.received.saturating_add(AHEAD_MAX_NS);
        i64::try_from(time).is_ok_and(|time| self.oldest <= time && time <= newest)
    }
}

/// Tell whether a time that is not the record's own fits its column.
#[inline(always)]
pub fn is_storable(time: u64) -> bool {
    i64::try_from(time).is_ok()
}

/// Tell whether an id is there but says nothing.
#[inline(always)]
pub fn is_zero_id(id: &[u8]) -> bool {
    id.iter().all(|byte| *byte == 0)
}

const INNER_TAG: u32 = tag(1, BYTES);
const CHILD_TAG: u32 = tag(2, BYTES);
const SCHEMA_URL_TAG: u32 = tag(3, BYTES);

/// A resource or scope message of any signal, without its children.
pub struct Envelope<'a> {
    /// The resource or the scope.
    pub inner: Option<Parts<'a>>,
    pub schema_url: &'a [u8],
    /// How many scopes, records or metrics it holds.
    pub children: usize,
}

impl<'a> Envelope<'a> {
    pub fn read(message: &'a [u8], nesting: u32) -> Result<Envelope<'a>> {
        check_nesting(nesting)?;
        let mut envelope = Envelope { inner: None, schema_url: b"", children: 0 };
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            match tag {
                CHILD_TAG => {
                    reader.bytes()?;
                    envelope.children += 1;
                }
                INNER_TAG => merge_part(&mut envelope.inner, reader.bytes()?),
                SCHEMA_URL_TAG => envelope.schema_url = reader.text()?,
                _ => reader.skip(tag, nesting)?,
            }
        }
        Ok(envelope)
    }

    pub fn inner(&self) -> &[&'a [u8]] {
        self.inner.as_ref().map_or(&[], Parts::as_slice)
    }

    /// Call `visit` for each child of a message that was read before.
    pub fn each_child(
        message: &'a [u8],
        mut visit: impl FnMut(&'a [u8]) -> Result<()>,
    ) -> Result<()> {
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            match tag {
                CHILD_TAG => visit(reader.bytes()?)?,
                _ => reader.skip(tag, 0)?,
            }
        }
        Ok(())
    }
}

/// Which of the context's facts have no column of their own in a signal.
#[derive(Clone, Copy)]
pub struct ResidueFacts {
    pub schema_urls: bool,
    pub scope_dropped: bool,
}

/// The resource and scope that the next records belong to.
pub struct Context {
    pub resource: SharedList,
    pub scope: SharedList,
    pub service: Vec<u8>,
    pub resource_schema_url: Vec<u8>,
    pub scope_name: Vec<u8>,
    pub scope_version: Vec<u8>,
    pub scope_schema_url: Vec<u8>,
    pub scope_dropped: u32,
    /// The members of the residue that resource and scope give to each record; none where all
    /// records are refused with them.
    pub members: Vec<u8>,
    /// How many bytes each row repeats of all these.
    pub repeated: usize,
    pub weight: Weight,
    resource_members: Vec<u8>,
    resource_limits: Limits,
    scope_limits: Limits,
    residue: Residue,
}

impl Context {
    /// Begin without resource and scope; `weight_max` is what one request may weigh.
    pub fn new(weight_max: usize) -> Self {
        Context {
            resource: SharedList::default(),
            scope: SharedList::default(),
            service: Vec::new(),
            resource_schema_url: Vec::new(),
            scope_name: Vec::new(),
            scope_version: Vec::new(),
            scope_schema_url: Vec::new(),
            scope_dropped: 0,
            members: Vec::new(),
            repeated: 0,
            weight: Weight::new(weight_max),
            resource_members: Vec::new(),
            resource_limits: Limits::default(),
            scope_limits: Limits::default(),
            residue: Residue::default(),
        }
    }

    /// The limits that resource and scope went over.
    pub fn limits(&self) -> Limits {
        self.resource_limits.join(self.scope_limits)
    }

    /// Read the resource of the records to come; it lies two deep.
    pub fn enter_resource(&mut self, envelope: &Envelope<'_>) -> Result<()> {
        const NESTING: u32 = 2;
        const ATTRIBUTES_TAG: u32 = tag(1, BYTES);
        const DROPPED_TAG: u32 = tag(2, VARINT);
        const ENTITY_REFS_TAG: u32 = tag(3, BYTES);
        let mut limits = Limits::default();
        let mut list = self.resource.begin();
        let mut dropped = 0;
        let mut entity_refs = Vec::new();
        for part in envelope.inner() {
            let mut reader = Reader::new(part);
            while let Some(tag) = reader.tag()? {
                match tag {
                    ATTRIBUTES_TAG => {
                        self.resource.push(&mut list, reader.bytes()?, NESTING + 1, &mut limits)?;
                    }
                    DROPPED_TAG => dropped = reader.varint()? as u32,
                    ENTITY_REFS_TAG => push_entity_ref(&mut entity_refs, reader.bytes()?)?,
                    _ => reader.skip(tag, NESTING)?,
                }
            }
        }
        self.resource_limits = limits;
        self.residue.begin(b"");
        let source = Source { message: envelope.inner(), tag: ATTRIBUTES_TAG };
        self.describe(Level::Resource, list, source)?;
        self.residue.nonzero("resource_dropped", dropped);
        if !entity_refs.is_empty() {
            entity_refs.push(b']');
            self.residue.member("entity_refs").extend_from_slice(&entity_refs);
        }
        replace(&mut self.resource_members, self.residue.members());
        let service = self.resource.find(b"service.name").filter(|name| !name.is_empty());
        replace(&mut self.service, service.unwrap_or(UNKNOWN_SERVICE));
        replace(&mut self.resource_schema_url, envelope.schema_url);
        Ok(())
    }

    /// Read the scope of the records to come; it lies three deep.
    pub fn enter_scope(&mut self, envelope: &Envelope<'_>, facts: ResidueFacts) -> Result<()> {
        const NESTING: u32 = 3;
        const NAME_TAG: u32 = tag(1, BYTES);
        const VERSION_TAG: u32 = tag(2, BYTES);
        const ATTRIBUTES_TAG: u32 = tag(3, BYTES);
        const DROPPED_TAG: u32 = tag(4, VARINT);
        let mut limits = Limits::default();
        let mut list = self.scope.begin();
        let mut dropped = 0;
        let (mut name, mut version): (&[u8], &[u8]) = (b"", b"");
        for part in envelope.inner() {
            let mut reader = Reader::new(part);
            while let Some(tag) = reader.tag()? {
                match tag {
                    NAME_TAG => name = reader.text()?,
                    VERSION_TAG => version = reader.text()?,
                    ATTRIBUTES_TAG => {
                        self.scope.push(&mut list, reader.bytes()?, NESTING + 1, &mut limits)?;
                    }
                    DROPPED_TAG => dropped = reader.varint()? as u32,
                    _ => reader.skip(tag, NESTING)?,
                }
            }
        }
        self.scope_limits = limits;
        self.scope_dropped = dropped;
        replace(&mut self.scope_name, name);
        replace(&mut self.scope_version, version);
        replace(&mut self.scope_schema_url, envelope.schema_url);
        self.members.clear();
        self.repeated = 0;
        // What resource and scope share with their rows is not even put together where no row comes
        // of it: a scope is two bytes of a request, and its resource may be most of the rest.
        if Reason::of_limits(self.limits()).is_some() || self.weight.is_over() {
            return Ok(());
        }
        self.residue.begin(&self.resource_members);
        let source = Source { message: envelope.inner(), tag: ATTRIBUTES_TAG };
        self.describe(Level::Scope, list, source)?;
        if facts.schema_urls {
            nonempty(&mut self.residue, "resource_schema_url", &self.resource_schema_url);
            nonempty(&mut self.residue, "scope_schema_url", &self.scope_schema_url);
        }
        if facts.scope_dropped {
            self.residue.nonzero("scope_dropped", dropped);
        }
        replace(&mut self.members, self.residue.members());
        self.repeated = self.resource.size()
            + self.scope.size()
            + self.scope_name.len()
            + self.scope_version.len()
            + self.resource_schema_url.len()
            + self.scope_schema_url.len()
            + self.members.len();
        self.weight.add(1, self.repeated);
        Ok(())
    }

    /// Weigh the rows to come; tell whether any of them may be kept.
    ///
    /// Each of them repeats so many bytes, unless they are over the limits that they share.
    pub fn admit(&mut self, rows: usize, repeated: usize, shared: Limits) -> bool {
        let is_refused = Reason::of_limits(shared).is_some();
        let repeated = if is_refused { 0 } else { repeated };
        let is_light = self.weight.add(rows, ROW_BYTES + repeated);
        rows > 0 && is_light && !is_refused
    }

    /// Note what is lost of the attributes, unless they are refused with all that belongs to them.
    fn describe(&mut self, level: Level, list: OpenList, source: Source<'_, '_>) -> Result<()> {
        let (name, shared, limits) = match level {
            Level::Resource => ("resource", &self.resource, self.resource_limits),
            Level::Scope => ("scope", &self.scope, self.scope_limits),
        };
        if shared.widest() > i32::MAX as usize {
            return Err(Error::Capacity);
        }
        if Reason::of_limits(limits).is_some() {
            return Ok(());
        }
        self.residue.list(name, shared.attributes(), list.shape(), source)
    }
}

enum Level {
    Resource,
    Scope,
}

fn replace(target: &mut Vec<u8>, bytes: &[u8]) {
    target.clear();
    target.extend_from_slice(bytes);
}

fn nonempty(residue: &mut Residue, name: &str, text: &[u8]) {
    if !text.is_empty() {
        residue.text(name, text);
    }
}

/// Append an `EntityRef`, which lies three deep, to a JSON array of base64 texts that is still
/// open.
fn push_entity_ref(array: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    const NESTING: u32 = 3;
    let mut reader = Reader::new(bytes);
    let (mut schema_url, mut kind): (&[u8], &[u8]) = (b"", b"");
    let mut id_keys = Vec::new();
    let mut description_keys = Vec::new();
    while let Some(tag) = reader.tag()? {
        match tag {
            0x0a => schema_url = reader.text()?,
            0x12 => kind = reader.text()?,
            0x1a => put_bytes(&mut id_keys, 3, reader.text()?),
            0x22 => put_bytes(&mut description_keys, 4, reader.text()?),
            _ => reader.skip(tag, NESTING)?,
        }
    }
    let mut canonical = Vec::new();
    for (field, text) in [(1, schema_url), (2, kind)] {
        if !text.is_empty() {
            put_bytes(&mut canonical, field, text);
        }
    }
    canonical.extend(id_keys);
    canonical.extend(description_keys);
    array.push(if array.is_empty() { b'[' } else { b',' });
    push_base64_text(array, &canonical);
    Ok(())
}
