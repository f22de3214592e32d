//! Log records.

use arrow_array::types::{TimestampNanosecondType, UInt8Type, UInt64Type};

use crate::attributes::{Attributes, ShapeId};
use crate::columns::{Numbers, Texts, columns};
use crate::context::{Call, Context, Outcome, Reason, ResidueFacts, is_storable, is_zero_id};
use crate::decoder::{AnyTable, Named, Signal, Table};
use crate::dictionary::Symbols;
use crate::residue::{Description, Residue, ResidueCache, Source, push_base64_text};
use crate::value::{Kind, Limits, push_any_value, put_any_value};
use crate::wire::{BYTES, FIXED32, FIXED64, Parts, Reader, Result, VARINT, merge_part, tag};

type Times = Numbers<TimestampNanosecondType>;

columns! {
    Records {
        timestamp: Times = "Timestamp",
        observed_timestamp: Times = "ObservedTimestamp",
        trace_id: Texts = "TraceId",
        span_id: Texts = "SpanId",
        trace_flags: Numbers<UInt8Type> = "TraceFlags",
        severity_text: Symbols = "SeverityText",
        severity_number: Numbers<UInt8Type> = "SeverityNumber",
        service: Symbols = "ServiceName",
        body: Texts = "Body",
        resource_schema_url: Symbols = "ResourceSchemaUrl",
        resource: Attributes = "ResourceAttributes",
        scope_schema_url: Symbols = "ScopeSchemaUrl",
        scope_name: Texts = "ScopeName",
        scope_version: Symbols = "ScopeVersion",
        scope: Attributes = "ScopeAttributes",
        attributes: Attributes = "LogAttributes",
        event_name: Symbols = "EventName",
        residue: Symbols = "Residue",
        frame: Numbers<UInt64Type> = "Frame",
    }
}

impl Named for Records {
    const NAME: &'static str = "otel_logs";
}

/// How deep a log record lies in the request.
const NESTING: u32 = 3;

/// The flags that the column keeps: those of W3C trace context.
const TRACE_FLAGS_MASK: u32 = 0xff;

const TIME_TAG: u32 = tag(1, FIXED64);
const SEVERITY_NUMBER_TAG: u32 = tag(2, VARINT);
const SEVERITY_TEXT_TAG: u32 = tag(3, BYTES);
const BODY_TAG: u32 = tag(5, BYTES);
const ATTRIBUTES_TAG: u32 = tag(6, BYTES);
const DROPPED_ATTRIBUTES_TAG: u32 = tag(7, VARINT);
const FLAGS_TAG: u32 = tag(8, FIXED32);
const TRACE_ID_TAG: u32 = tag(9, BYTES);
const SPAN_ID_TAG: u32 = tag(10, BYTES);
const OBSERVED_TIME_TAG: u32 = tag(11, FIXED64);
const EVENT_NAME_TAG: u32 = tag(12, BYTES);

/// A record's fields, except the attributes: those go to their column as they are met.
#[derive(Default)]
struct Record<'a> {
    time: u64,
    observed_time: u64,
    severity_number: i32,
    severity_text: &'a [u8],
    body: Option<Parts<'a>>,
    dropped_attributes: u32,
    flags: u32,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    event_name: &'a [u8],
    attributes: ShapeId,
}

impl Record<'_> {
    /// The time of the row: the record's, or else the best that is known.
    fn row_time(&self, call: &Call) -> u64 {
        match (self.time, self.observed_time) {
            (0, 0) => call.received as u64,
            (0, observed) => observed,
            (time, _) => time,
        }
    }

    fn refusal(&self, limits: Limits, call: &Call) -> Option<Reason> {
        if let Some(reason) = Reason::of_limits(limits) {
            return Some(reason);
        }
        if !matches!(self.trace_id.len(), 0 | 16) {
            return Some(Reason::TraceId);
        }
        if !matches!(self.span_id.len(), 0 | 8) {
            return Some(Reason::SpanId);
        }
        if !call.allows(self.row_time(call)) || !is_storable(self.observed_time) {
            return Some(Reason::Time);
        }
        None
    }
}

/// Return an id, or nothing where it says nothing; and whether that loses that it was there.
fn known_id(id: &[u8]) -> (&[u8], bool) {
    if is_zero_id(id) { (b"", !id.is_empty()) } else { (id, false) }
}

/// Log records that wait to be taken.
#[derive(Default)]
pub struct Logs {
    table: Table<Records>,
    cache: ResidueCache,
    residue: Residue,
    description: Description,
    context_id: u32,
    service: i32,
    resource_schema_url: i32,
    scope_schema_url: i32,
    scope_version: i32,
}

impl Signal for Logs {
    const FACTS: ResidueFacts = ResidueFacts { schema_urls: false, scope_dropped: true };

    fn enter_scope(&mut self, context: &mut Context, records: usize) -> Result<()> {
        if !context.admit(records, context.repeated, context.limits()) {
            return Ok(());
        }
        self.table.prepare();
        let columns = &mut self.table.columns;
        self.context_id = self.cache.context(&context.members)?;
        self.service = columns.service.intern(&context.service)?;
        self.resource_schema_url =
            columns.resource_schema_url.intern(&context.resource_schema_url)?;
        self.scope_schema_url = columns.scope_schema_url.intern(&context.scope_schema_url)?;
        self.scope_version = columns.scope_version.intern(&context.scope_version)?;
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
        let mut record = Record::default();
        let mut limits = context.limits();
        let columns = &mut self.table.columns;
        let mut attributes = columns.attributes.begin();
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            match tag {
                TIME_TAG => record.time = reader.fixed64()?,
                SEVERITY_NUMBER_TAG => record.severity_number = reader.varint()? as i32,
                SEVERITY_TEXT_TAG => record.severity_text = reader.text()?,
                BODY_TAG => merge_part(&mut record.body, reader.bytes()?),
                ATTRIBUTES_TAG => {
                    columns.attributes.push(
                        &mut attributes,
                        reader.bytes()?,
                        NESTING + 1,
                        &mut limits,
                    )?;
                }
                DROPPED_ATTRIBUTES_TAG => record.dropped_attributes = reader.varint()? as u32,
                FLAGS_TAG => record.flags = reader.fixed32()?,
                TRACE_ID_TAG => record.trace_id = reader.bytes()?,
                SPAN_ID_TAG => record.span_id = reader.bytes()?,
                OBSERVED_TIME_TAG => record.observed_time = reader.fixed64()?,
                EVENT_NAME_TAG => record.event_name = reader.text()?,
                _ => reader.skip(tag, NESTING)?,
            }
        }
        record.attributes = attributes.shape();
        // The body comes last, so that a list in it is met with the record's limits in hand.
        let body = match &record.body {
            Some(body) => {
                push_any_value(&mut columns.body.data, body.as_slice(), NESTING + 1, &mut limits)?
            }
            None => Kind::Absent,
        };
        columns.body.close();
        if context.weight.is_over() {
            self.table.drop_open_row();
            return Ok(());
        }
        if let Some(reason) = record.refusal(limits, call) {
            outcome.refuse(reason);
            self.table.drop_open_row();
            return Ok(());
        }
        self.push_row(context, &record, call)?;
        self.push_residue(context, bytes, &record, body)?;
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

impl Logs {
    /// Start over with shapes when a client invents too many.
    fn forget_crowded_shapes(&mut self, context: &Context) -> Result<()> {
        if self.table.columns.attributes.is_crowded() {
            self.table.columns.attributes.forget_shapes();
            self.cache.forget();
            self.context_id = self.cache.context(&context.members)?;
        }
        Ok(())
    }

    /// Append all of a row but the body, which is there already, and the residue.
    fn push_row(&mut self, context: &mut Context, record: &Record<'_>, call: &Call) -> Result<()> {
        let columns = &mut self.table.columns;
        columns.timestamp.push(record.row_time(call) as i64);
        columns.observed_timestamp.push(record.observed_time as i64);
        columns.trace_id.push_hex(known_id(record.trace_id).0);
        columns.span_id.push_hex(known_id(record.span_id).0);
        columns.trace_flags.push((record.flags & TRACE_FLAGS_MASK) as u8);
        columns.severity_text.push(record.severity_text)?;
        columns.severity_number.push(u8::try_from(record.severity_number).unwrap_or(0));
        columns.service.push_key(self.service);
        columns.resource_schema_url.push_key(self.resource_schema_url);
        columns.resource.push_shared(&mut context.resource, 0)?;
        columns.scope_schema_url.push_key(self.scope_schema_url);
        columns.scope_name.push(&context.scope_name);
        columns.scope_version.push_key(self.scope_version);
        columns.scope.push_shared(&mut context.scope, 0)?;
        columns.attributes.close();
        columns.event_name.push(record.event_name)?;
        columns.frame.push(call.frame);
        Ok(())
    }

    fn push_residue(
        &mut self,
        context: &Context,
        bytes: &[u8],
        record: &Record<'_>,
        body: Kind,
    ) -> Result<()> {
        let columns = &mut self.table.columns;
        let flags = if record.flags > TRACE_FLAGS_MASK { record.flags } else { 0 };
        let severity = match u8::try_from(record.severity_number) {
            Ok(_) => 0,
            Err(_) => record.severity_number,
        };
        let has_no_time = record.time == 0;
        let (_, has_zero_trace_id) = known_id(record.trace_id);
        let (_, has_zero_span_id) = known_id(record.span_id);

        let description = &mut self.description;
        let words = [
            self.context_id,
            record.dropped_attributes,
            flags,
            severity as u32,
            u32::from(has_no_time),
            u32::from(has_zero_trace_id),
            u32::from(has_zero_span_id),
            body as u32,
        ];
        description.begin(&columns.attributes, record.attributes, words);
        if body == Kind::Irreversible {
            description.push_values();
        }

        self.cache.push(&mut columns.residue, &self.description, &mut self.residue, |residue| {
            residue.begin(&context.members);
            let source = Source { message: &[bytes], tag: ATTRIBUTES_TAG };
            residue.list("attributes", &columns.attributes, record.attributes, source)?;
            residue.nonzero("dropped_attributes", record.dropped_attributes);
            residue.nonzero("flags", flags);
            if severity != 0 {
                residue.number("severity", severity);
            }
            if has_no_time {
                residue.member("time").extend_from_slice(b"true");
            }
            if has_zero_trace_id {
                residue.text("trace_id", b"zero");
            }
            if has_zero_span_id {
                residue.text("span_id", b"zero");
            }
            write_body(residue, record, body)
        })
    }
}

fn write_body(residue: &mut Residue, record: &Record<'_>, body: Kind) -> Result<()> {
    if let Some((_, letter)) = Kind::LETTERED.iter().find(|(kind, _)| *kind == body) {
        residue.text("body", &[*letter]);
    }
    if body == Kind::Irreversible {
        let parts = record.body.as_ref().map_or(&[][..], Parts::as_slice);
        let mut canonical = Vec::new();
        put_any_value(&mut canonical, parts)?;
        residue.open("body");
        push_base64_text(residue.member("raw"), &canonical);
        residue.close();
    }
    Ok(())
}
