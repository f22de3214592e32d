//! Spans.

use arrow_array::types::{TimestampNanosecondType, UInt64Type};

use crate::attributes::{Attributes, Loss, ShapeId};
use crate::columns::{Columns, Lists, Numbers, Texts, columns};
use crate::context::{Call, Context, Outcome, Reason, ResidueFacts, is_storable, is_zero_id};
use crate::decoder::{AnyTable, Named, Signal, Table};
use crate::dictionary::{Choices, Names, Symbols};
use crate::residue::{Description, Residue, ResidueCache, Source};
use crate::value::Limits;
use crate::weight::ITEM_BYTES;
use crate::wire::{BYTES, FIXED32, FIXED64, Reader, Result, VARINT, tag};

pub struct SpanKinds;

impl Names for SpanKinds {
    const NAMES: &'static [&'static str] =
        &["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"];
}

pub struct StatusCodes;

impl Names for StatusCodes {
    const NAMES: &'static [&'static str] = &["Unset", "Ok", "Error"];
}

type Times = Numbers<TimestampNanosecondType>;

columns! {
    Events {
        timestamp: Lists<Times> = "Events.Timestamp",
        name: Lists<Symbols> = "Events.Name",
        attributes: Lists<Attributes> = "Events.Attributes",
    }
}

columns! {
    Links {
        trace_id: Lists<Texts> = "Links.TraceId",
        span_id: Lists<Texts> = "Links.SpanId",
        trace_state: Lists<Texts> = "Links.TraceState",
        attributes: Lists<Attributes> = "Links.Attributes",
    }
}

columns! {
    Spans {
        timestamp: Times = "Timestamp",
        trace_id: Texts = "TraceId",
        span_id: Texts = "SpanId",
        parent_span_id: Texts = "ParentSpanId",
        trace_state: Texts = "TraceState",
        name: Symbols = "SpanName",
        kind: Choices<SpanKinds> = "SpanKind",
        service: Symbols = "ServiceName",
        resource: Attributes = "ResourceAttributes",
        scope_name: Texts = "ScopeName",
        scope_version: Texts = "ScopeVersion",
        scope: Attributes = "ScopeAttributes",
        attributes: Attributes = "SpanAttributes",
        duration: Numbers<UInt64Type> = "Duration",
        status: Choices<StatusCodes> = "StatusCode",
        status_message: Texts = "StatusMessage",
        events: Events = "",
        links: Links = "",
        residue: Symbols = "Residue",
        frame: Numbers<UInt64Type> = "Frame",
    }
}

impl Named for Spans {
    const NAME: &'static str = "otel_traces";
}

/// How deep a span lies in the request.
const NESTING: u32 = 3;

/// How deep its events and links lie.
const ITEM_NESTING: u32 = NESTING + 1;

const TRACE_ID_TAG: u32 = tag(1, BYTES);
const SPAN_ID_TAG: u32 = tag(2, BYTES);
const TRACE_STATE_TAG: u32 = tag(3, BYTES);
const PARENT_SPAN_ID_TAG: u32 = tag(4, BYTES);
const NAME_TAG: u32 = tag(5, BYTES);
const KIND_TAG: u32 = tag(6, VARINT);
const START_TAG: u32 = tag(7, FIXED64);
const END_TAG: u32 = tag(8, FIXED64);
const ATTRIBUTES_TAG: u32 = tag(9, BYTES);
const DROPPED_ATTRIBUTES_TAG: u32 = tag(10, VARINT);
const EVENTS_TAG: u32 = tag(11, BYTES);
const DROPPED_EVENTS_TAG: u32 = tag(12, VARINT);
const LINKS_TAG: u32 = tag(13, BYTES);
const DROPPED_LINKS_TAG: u32 = tag(14, VARINT);
const STATUS_TAG: u32 = tag(15, BYTES);
const FLAGS_TAG: u32 = tag(16, FIXED32);

const EVENT_ATTRIBUTES_TAG: u32 = tag(3, BYTES);
const LINK_ATTRIBUTES_TAG: u32 = tag(4, BYTES);

/// The singular fields of a span; the repeated ones go to their columns as they are met.
#[derive(Default)]
struct Span<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    trace_state: &'a [u8],
    parent_span_id: &'a [u8],
    name: &'a [u8],
    kind: i32,
    start: u64,
    end: u64,
    dropped_attributes: u32,
    dropped_events: u32,
    dropped_links: u32,
    status: i32,
    status_message: &'a [u8],
    flags: u32,
    attributes: ShapeId,
}

impl Span<'_> {
    fn refusal(&self, limits: Limits, times_fit: bool, call: &Call) -> Option<Reason> {
        if let Some(reason) = Reason::of_limits(limits) {
            return Some(reason);
        }
        if self.trace_id.len() != 16 || is_zero_id(self.trace_id) {
            return Some(Reason::TraceId);
        }
        if self.span_id.len() != 8 || is_zero_id(self.span_id) {
            return Some(Reason::SpanId);
        }
        if !matches!(self.parent_span_id.len(), 0 | 8) {
            return Some(Reason::ParentSpanId);
        }
        if !call.allows(self.start) || !is_storable(self.end) || !times_fit {
            return Some(Reason::Time);
        }
        None
    }

    fn has_zero_parent(&self) -> bool {
        !self.parent_span_id.is_empty() && is_zero_id(self.parent_span_id)
    }
}

/// An event or link that its columns do not tell all of.
struct LossyItem<'a> {
    at: u32,
    message: &'a [u8],
    attributes: ShapeId,
    dropped: u32,
    flags: u32,
}

/// Spans that wait to be taken.
#[derive(Default)]
pub struct Traces {
    table: Table<Spans>,
    cache: ResidueCache,
    residue: Residue,
    description: Description,
    context_id: u32,
    service: i32,
}

impl Signal for Traces {
    const FACTS: ResidueFacts = ResidueFacts { schema_urls: true, scope_dropped: true };

    fn enter_scope(&mut self, context: &mut Context, records: usize) -> Result<()> {
        if !context.admit(records, context.repeated, context.limits()) {
            return Ok(());
        }
        self.table.prepare();
        self.context_id = self.cache.context(&context.members)?;
        self.service = self.table.columns.service.intern(&context.service)?;
        Ok(())
    }

    fn record(
        &mut self,
        context: &mut Context,
        bytes: &[u8],
        call: &Call,
        outcome: &mut Outcome,
    ) -> Result<()> {
        self.forget_crowded_shapes(context)?;
        let mut span = Span::default();
        let mut limits = context.limits();
        let mut times_fit = true;
        let (mut lossy_events, mut lossy_links) = (Vec::new(), Vec::new());
        let (mut events, mut links) = (0, 0);
        let rows = self.table.rows();
        let columns = &mut self.table.columns;
        let mut attributes = columns.attributes.begin();
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            match tag {
                TRACE_ID_TAG => span.trace_id = reader.bytes()?,
                SPAN_ID_TAG => span.span_id = reader.bytes()?,
                TRACE_STATE_TAG => span.trace_state = reader.text()?,
                PARENT_SPAN_ID_TAG => span.parent_span_id = reader.bytes()?,
                NAME_TAG => span.name = reader.text()?,
                KIND_TAG => span.kind = reader.varint()? as i32,
                START_TAG => span.start = reader.fixed64()?,
                END_TAG => span.end = reader.fixed64()?,
                ATTRIBUTES_TAG => loop {
                    let list = &mut columns.attributes;
                    list.push(&mut attributes, reader.bytes()?, NESTING + 1, &mut limits)?;
                    if !reader.continues(ATTRIBUTES_TAG) {
                        break;
                    }
                },
                DROPPED_ATTRIBUTES_TAG => span.dropped_attributes = reader.varint()? as u32,
                EVENTS_TAG => {
                    let (item, time_fits) =
                        columns.events.push(events, reader.bytes()?, &mut limits)?;
                    times_fit &= time_fits;
                    events += 1;
                    lossy_events.extend(item);
                    if !context.weight.add(1, ITEM_BYTES) {
                        columns.events.truncate(rows);
                        lossy_events.clear();
                    }
                }
                DROPPED_EVENTS_TAG => span.dropped_events = reader.varint()? as u32,
                LINKS_TAG => {
                    lossy_links.extend(columns.links.push(links, reader.bytes()?, &mut limits)?);
                    links += 1;
                    if !context.weight.add(1, ITEM_BYTES) {
                        columns.links.truncate(rows);
                        lossy_links.clear();
                    }
                }
                DROPPED_LINKS_TAG => span.dropped_links = reader.varint()? as u32,
                STATUS_TAG => read_status(&mut span, reader.bytes()?)?,
                FLAGS_TAG => span.flags = reader.fixed32()?,
                _ => reader.skip(tag, NESTING)?,
            }
        }
        span.attributes = attributes.shape();
        if context.weight.is_over() {
            self.table.drop_open_row();
            return Ok(());
        }
        if let Some(reason) = span.refusal(limits, times_fit, call) {
            outcome.refuse(reason);
            self.table.drop_open_row();
            return Ok(());
        }
        self.push_row(context, &span, call)?;
        self.push_residue(context, bytes, &span, &lossy_events, &lossy_links)?;
        self.table.close_row();
        outcome.accepted += 1;
        Ok(())
    }

    fn each_table(&mut self, visit: &mut dyn FnMut(&mut dyn AnyTable)) {
        visit(&mut self.table);
    }

    fn forget(&mut self) {
        self.cache.forget();
    }
}

impl Traces {
    /// Start over with shapes when a client invents too many.
    #[inline(always)]
    fn forget_crowded_shapes(&mut self, context: &Context) -> Result<()> {
        let columns = &mut self.table.columns;
        let lists = [
            &mut columns.attributes,
            &mut columns.events.attributes.items,
            &mut columns.links.attributes.items,
        ];
        if lists.iter().any(|list| list.is_crowded()) {
            lists.into_iter().for_each(Attributes::forget_shapes);
            self.cache.forget();
            self.context_id = self.cache.context(&context.members)?;
        }
        Ok(())
    }

    fn push_row(&mut self, context: &mut Context, span: &Span<'_>, call: &Call) -> Result<()> {
        let columns = &mut self.table.columns;
        columns.timestamp.push(span.start as i64);
        columns.trace_id.push_hex(span.trace_id);
        columns.span_id.push_hex(span.span_id);
        columns.parent_span_id.push_hex(if span.has_zero_parent() {
            b""
        } else {
            span.parent_span_id
        });
        columns.trace_state.push(span.trace_state);
        columns.name.push(span.name)?;
        columns.kind.push(span.kind);
        columns.service.push_key(self.service);
        columns.resource.push_shared(&mut context.resource, 0)?;
        columns.scope_name.push(&context.scope_name);
        columns.scope_version.push(&context.scope_version);
        columns.scope.push_shared(&mut context.scope, 0)?;
        columns.attributes.close();
        columns.duration.push(span.end.saturating_sub(span.start));
        columns.status.push(span.status);
        columns.status_message.push(span.status_message);
        columns.events.close();
        columns.links.close();
        columns.frame.push(call.frame);
        Ok(())
    }

    fn push_residue(
        &mut self,
        context: &Context,
        bytes: &[u8],
        span: &Span<'_>,
        events: &[LossyItem<'_>],
        links: &[LossyItem<'_>],
    ) -> Result<()> {
        let columns = &mut self.table.columns;
        let kind = if Choices::<SpanKinds>::is_named(span.kind) { 0 } else { span.kind };
        let status = if Choices::<StatusCodes>::is_named(span.status) { 0 } else { span.status };
        let ends_early = span.end < span.start;

        let description = &mut self.description;
        let words = [
            self.context_id,
            span.dropped_attributes,
            span.dropped_events,
            span.dropped_links,
            span.flags,
            u32::from(span.has_zero_parent()),
            kind as u32,
            status as u32,
            events.len() as u32,
            links.len() as u32,
        ];
        description.begin(&columns.attributes, span.attributes, words);
        if ends_early {
            description.push_values();
        }
        for (items, column) in
            [(events, &columns.events.attributes.items), (links, &columns.links.attributes.items)]
        {
            for item in items {
                description.push(item.at);
                description.push_list(column, item.attributes);
                description.push(item.dropped);
                description.push(item.flags);
            }
        }

        self.cache.push(&mut columns.residue, &self.description, &mut self.residue, |residue| {
            residue.begin(&context.members);
            let source = Source { message: &[bytes], tag: ATTRIBUTES_TAG };
            residue.list("attributes", &columns.attributes, span.attributes, source)?;
            residue.nonzero("dropped_attributes", span.dropped_attributes);
            residue.nonzero("dropped_events", span.dropped_events);
            residue.nonzero("dropped_links", span.dropped_links);
            residue.nonzero("flags", span.flags);
            if span.has_zero_parent() {
                residue.text("parent", b"zero");
            }
            if kind != 0 {
                residue.number("kind", kind);
            }
            if status != 0 {
                residue.number("status", status);
            }
            if ends_early {
                residue.text("end", span.end.to_string().as_bytes());
            }
            write_items(
                residue,
                "events",
                events,
                &columns.events.attributes.items,
                EVENT_ATTRIBUTES_TAG,
            )?;
            write_items(
                residue,
                "links",
                links,
                &columns.links.attributes.items,
                LINK_ATTRIBUTES_TAG,
            )
        })
    }
}

fn write_items(
    residue: &mut Residue,
    name: &str,
    items: &[LossyItem<'_>],
    column: &Attributes,
    tag: u32,
) -> Result<()> {
    if items.is_empty() {
        return Ok(());
    }
    residue.open(name);
    for item in items {
        residue.open(&item.at.to_string());
        let source = Source { message: &[item.message], tag };
        residue.list("attributes", column, item.attributes, source)?;
        residue.nonzero("dropped", item.dropped);
        residue.nonzero("flags", item.flags);
        residue.close();
    }
    residue.close();
    Ok(())
}

fn read_status<'a>(span: &mut Span<'a>, bytes: &'a [u8]) -> Result<()> {
    const MESSAGE_TAG: u32 = tag(2, BYTES);
    const CODE_TAG: u32 = tag(3, VARINT);
    let mut reader = Reader::new(bytes);
    while let Some(tag) = reader.tag()? {
        match tag {
            MESSAGE_TAG => span.status_message = reader.text()?,
            CODE_TAG => span.status = reader.varint()? as i32,
            _ => reader.skip(tag, NESTING + 1)?,
        }
    }
    Ok(())
}

impl Events {
    /// Append event number `at`; return what its columns lose, and whether its time fits.
    fn push<'a>(
        &mut self,
        at: u32,
        bytes: &'a [u8],
        limits: &mut Limits,
    ) -> Result<(Option<LossyItem<'a>>, bool)> {
        const TIME_TAG: u32 = tag(1, FIXED64);
        const NAME_TAG: u32 = tag(2, BYTES);
        const DROPPED_TAG: u32 = tag(4, VARINT);
        const NESTING: u32 = ITEM_NESTING;
        let (mut time, mut name, mut dropped) = (0, b"".as_slice(), 0);
        let column = &mut self.attributes.items;
        let mut list = column.begin();
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            match tag {
                TIME_TAG => time = reader.fixed64()?,
                NAME_TAG => name = reader.text()?,
                EVENT_ATTRIBUTES_TAG => {
                    column.push(&mut list, reader.bytes()?, NESTING + 1, limits)?
                }
                DROPPED_TAG => dropped = reader.varint()? as u32,
                _ => reader.skip(tag, NESTING)?,
            }
        }
        column.close();
        self.timestamp.items.push(time as i64);
        self.name.items.push(name)?;
        let attributes = list.shape();
        let lossy = column.loss(attributes) != Loss::Nothing || dropped != 0;
        let item = lossy.then_some(LossyItem { at, message: bytes, attributes, dropped, flags: 0 });
        Ok((item, is_storable(time)))
    }

    fn close(&mut self) {
        self.timestamp.close();
        self.name.close();
        self.attributes.close();
    }
}

impl Links {
    /// Append link number `at`; return what its columns lose.
    fn push<'a>(
        &mut self,
        at: u32,
        bytes: &'a [u8],
        limits: &mut Limits,
    ) -> Result<Option<LossyItem<'a>>> {
        const TRACE_ID_TAG: u32 = tag(1, BYTES);
        const SPAN_ID_TAG: u32 = tag(2, BYTES);
        const TRACE_STATE_TAG: u32 = tag(3, BYTES);
        const DROPPED_TAG: u32 = tag(5, VARINT);
        const FLAGS_TAG: u32 = tag(6, FIXED32);
        const NESTING: u32 = ITEM_NESTING;
        let (mut trace_id, mut span_id, mut trace_state): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
        let (mut dropped, mut flags) = (0, 0);
        let column = &mut self.attributes.items;
        let mut list = column.begin();
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            match tag {
                TRACE_ID_TAG => trace_id = reader.bytes()?,
                SPAN_ID_TAG => span_id = reader.bytes()?,
                TRACE_STATE_TAG => trace_state = reader.text()?,
                LINK_ATTRIBUTES_TAG => {
                    column.push(&mut list, reader.bytes()?, NESTING + 1, limits)?
                }
                DROPPED_TAG => dropped = reader.varint()? as u32,
                FLAGS_TAG => flags = reader.fixed32()?,
                _ => reader.skip(tag, NESTING)?,
            }
        }
        column.close();
        self.trace_id.items.push_hex(trace_id);
        self.span_id.items.push_hex(span_id);
        self.trace_state.items.push(trace_state);
        let attributes = list.shape();
        let lossy = column.loss(attributes) != Loss::Nothing || dropped != 0 || flags != 0;
        Ok(lossy.then_some(LossyItem { at, message: bytes, attributes, dropped, flags }))
    }

    fn close(&mut self) {
        self.trace_id.close();
        self.span_id.close();
        self.trace_state.close();
        self.attributes.close();
    }
}
