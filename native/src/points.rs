//! Data points of any kind.
//!
//! The five tables differ in a few columns. What they share is here: the columns that identify a
//! point ([`Identity`]), its exemplars, and the steps from bytes to row ([`Points`]). What a kind
//! adds is behind [`PointKind`].

use arrow_array::types::{Float64Type, TimestampNanosecondType, UInt32Type};

use crate::attributes::{Attributes, Loss, ShapeId};
use crate::columns::{Columns, Lists, Numbers, Texts, columns};
use crate::context::{Call, Context, Outcome, Reason, is_storable};
use crate::decoder::{AnyTable, Named, Table};
use crate::dictionary::Symbols;
use crate::kinds::PointKind;
use crate::residue::{Description, Residue, ResidueCache, Source};
use crate::value::Limits;
use crate::weight::ITEM_BYTES;
use crate::wire::{BYTES, FIXED64, Reader, Result, tag};

pub type Times = Numbers<TimestampNanosecondType>;
pub type Doubles = Numbers<Float64Type>;

columns! {
    Identity {
        resource: Attributes = "ResourceAttributes",
        resource_schema_url: Texts = "ResourceSchemaUrl",
        scope_name: Texts = "ScopeName",
        scope_version: Texts = "ScopeVersion",
        scope: Attributes = "ScopeAttributes",
        scope_dropped: Numbers<UInt32Type> = "ScopeDroppedAttrCount",
        scope_schema_url: Texts = "ScopeSchemaUrl",
        service: Symbols = "ServiceName",
        name: Symbols = "MetricName",
        description: Texts = "MetricDescription",
        unit: Texts = "MetricUnit",
        attributes: Attributes = "Attributes",
        start: Times = "StartTimeUnix",
        time: Times = "TimeUnix",
    }
}

columns! {
    Exemplars {
        attributes: Lists<Attributes> = "Exemplars.FilteredAttributes",
        time: Lists<Times> = "Exemplars.TimeUnix",
        value: Lists<Doubles> = "Exemplars.Value",
        span_id: Lists<Texts> = "Exemplars.SpanId",
        trace_id: Lists<Texts> = "Exemplars.TraceId",
    }
}

/// How deep a data point lies in the request, and an exemplar in it.
pub const POINT_NESTING: u32 = 5;
const EXEMPLAR_NESTING: u32 = POINT_NESTING + 1;

/// The points of a gauge, sum, histogram, exponential histogram or summary.
pub const POINTS_TAG: u32 = tag(1, BYTES);

/// The times have the same numbers in points of all kinds.
const START_TAG: u32 = tag(2, FIXED64);
const TIME_TAG: u32 = tag(3, FIXED64);

const EXEMPLAR_ATTRIBUTES_TAG: u32 = tag(7, BYTES);

/// Integers up to this magnitude are doubles.
const EXACT_INTEGER_MAX: u64 = 1 << 53;

/// The value of a point or exemplar.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Number {
    #[default]
    Absent,
    Double(f64),
    Int(i64),
}

impl Number {
    pub fn as_double(self) -> f64 {
        match self {
            Number::Absent => 0.0,
            Number::Double(value) => value,
            Number::Int(value) => value as f64,
        }
    }

    /// Return the residue's text for a value that the column does not tell all of.
    fn lost_text(self) -> Option<String> {
        match self {
            Number::Double(_) => None,
            Number::Absent => Some("u".to_owned()),
            Number::Int(value) if value.unsigned_abs() <= EXACT_INTEGER_MAX => Some("i".to_owned()),
            Number::Int(value) => Some(value.to_string()),
        }
    }

    fn describe(self, description: &mut Description) {
        match self {
            Number::Double(_) => description.push(0),
            Number::Absent => description.push(1),
            Number::Int(value) if value.unsigned_abs() <= EXACT_INTEGER_MAX => description.push(2),
            Number::Int(_) => description.push_values(),
        }
    }
}

/// What the residue tells of a point beside its lists.
#[derive(Clone, Copy, Default)]
pub struct PointLoss {
    /// The value, of gauges and sums.
    pub number: Option<Number>,
    /// Optional members that were not set: bit n stands for `ABSENT_NAMES[n]`.
    pub absent: u32,
}

/// The optional members of histograms, in the residue's order.
const ABSENT_NAMES: [&str; 5] = ["sum", "min", "max", "positive", "negative"];

impl PointLoss {
    /// Note which of the optional members were not set; they stand in the order of their names.
    pub fn of_members(are_set: &[bool]) -> PointLoss {
        let absent =
            are_set.iter().enumerate().map(|(bit, is_set)| u32::from(!is_set) << bit).sum();
        PointLoss { number: None, absent }
    }
}

/// What the points of one metric share.
#[derive(Default)]
pub struct Metric<'a> {
    pub name: &'a [u8],
    pub description: &'a [u8],
    pub unit: &'a [u8],
    pub temporality: i32,
    pub is_monotonic: bool,
    /// What the metric's metadata, its resource and its scope went over.
    pub limits: Limits,
    /// The members of the residue that each point begins with; none where no point is kept.
    pub members: &'a [u8],
    /// A later kind of data displaced this one: its points only have to parse.
    pub is_displaced: bool,
}

/// An exemplar that its columns do not tell all of.
struct LossyExemplar<'a> {
    at: u32,
    message: &'a [u8],
    attributes: ShapeId,
    number: Number,
}

/// A point's fields that all kinds have.
#[derive(Default)]
struct Point {
    start: u64,
    time: u64,
    flags: u32,
    attributes: ShapeId,
}

/// Points of one kind that wait to be taken.
#[derive(Default)]
pub struct Points<K> {
    table: Table<K>,
    cache: ResidueCache,
    residue: Residue,
    description: Description,
    context_id: u32,
    service: i32,
    name: i32,
}

impl<K: PointKind + Columns + Named> Points<K> {
    /// Prepare for the points of a metric some of which may be kept.
    pub fn enter(&mut self, metric: &Metric<'_>, context: &Context) -> Result<()> {
        self.table.prepare();
        self.context_id = self.cache.context(metric.members)?;
        let identity = self.table.columns.identity();
        self.service = identity.service.intern(&context.service)?;
        self.name = identity.name.intern(metric.name)?;
        Ok(())
    }

    /// Decode the points of a metric; `data` is its gauge, sum and so on.
    pub fn read(
        &mut self,
        data: &[&[u8]],
        metric: &Metric<'_>,
        context: &mut Context,
        call: &Call,
        outcome: &mut Outcome,
    ) -> Result<()> {
        for part in data {
            let mut reader = Reader::new(part);
            while let Some(tag) = reader.tag()? {
                match tag {
                    POINTS_TAG => {
                        self.read_point(reader.bytes()?, metric, context, call, outcome)?
                    }
                    _ => reader.skip(tag, POINT_NESTING - 1)?,
                }
            }
        }
        Ok(())
    }

    fn read_point(
        &mut self,
        bytes: &[u8],
        metric: &Metric<'_>,
        context: &mut Context,
        call: &Call,
        outcome: &mut Outcome,
    ) -> Result<()> {
        self.forget_crowded_shapes(metric)?;
        let mut point = Point::default();
        let mut own = K::Own::default();
        let mut limits = metric.limits;
        let mut exemplars = 0;
        let mut lossy_exemplars = Vec::new();
        let mut times_fit = true;
        let rows = self.table.rows();
        let columns = &mut self.table.columns;
        let mut attributes = columns.identity().attributes.begin();
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            if tag == K::ATTRIBUTES_TAG {
                let list = &mut columns.identity().attributes;
                list.push(&mut attributes, reader.bytes()?, POINT_NESTING + 1, &mut limits)?;
            } else if tag == START_TAG {
                point.start = reader.fixed64()?;
            } else if tag == TIME_TAG {
                point.time = reader.fixed64()?;
            } else if tag == K::FLAGS_TAG {
                point.flags = reader.varint()? as u32;
            } else if let Some((_, column)) = columns.exemplars().filter(|(known, _)| *known == tag)
            {
                let (item, time_fits) = column.push(exemplars, reader.bytes()?, &mut limits)?;
                times_fit &= time_fits;
                exemplars += 1;
                lossy_exemplars.extend(item);
                if metric.is_displaced || !context.weight.add(1, ITEM_BYTES) {
                    column.truncate(rows);
                    lossy_exemplars.clear();
                }
            } else if !columns.read(&mut own, tag, &mut reader)? {
                reader.skip(tag, POINT_NESTING)?;
            }
        }
        point.attributes = attributes.shape();
        if metric.is_displaced || context.weight.is_over() {
            self.table.drop_open_row();
            return Ok(());
        }
        times_fit &= is_storable(point.start) && call.allows(point.time);
        let refusal = Reason::of_limits(limits).or((!times_fit).then_some(Reason::Time));
        if let Some(reason) = refusal {
            outcome.refuse(reason);
            self.table.drop_open_row();
            return Ok(());
        }
        self.push_identity(&point, metric, context)?;
        let columns = &mut self.table.columns;
        let loss = columns.push(own, point.flags, metric);
        if let Some((_, exemplars)) = columns.exemplars() {
            exemplars.close();
        }
        columns.frame().push(call.frame);
        self.push_residue(bytes, &point, loss, &lossy_exemplars, metric)?;
        self.table.close_row();
        outcome.accepted += 1;
        Ok(())
    }

    fn push_identity(
        &mut self,
        point: &Point,
        metric: &Metric<'_>,
        context: &mut Context,
    ) -> Result<()> {
        let columns = self.table.columns.identity();
        columns.resource.push_shared(&mut context.resource, K::TABLE)?;
        columns.resource_schema_url.push(&context.resource_schema_url);
        columns.scope_name.push(&context.scope_name);
        columns.scope_version.push(&context.scope_version);
        columns.scope.push_shared(&mut context.scope, K::TABLE)?;
        columns.scope_dropped.push(context.scope_dropped);
        columns.scope_schema_url.push(&context.scope_schema_url);
        columns.service.push_key(self.service);
        columns.name.push_key(self.name);
        columns.description.push(metric.description);
        columns.unit.push(metric.unit);
        columns.attributes.close();
        columns.start.push(point.start as i64);
        columns.time.push(point.time as i64);
        Ok(())
    }

    fn push_residue(
        &mut self,
        bytes: &[u8],
        point: &Point,
        loss: PointLoss,
        exemplars: &[LossyExemplar<'_>],
        metric: &Metric<'_>,
    ) -> Result<()> {
        let (identity, items, column) = self.table.columns.residue_parts();
        let description = &mut self.description;
        description.begin(&identity.attributes, point.attributes, [self.context_id, loss.absent]);
        if let Some(number) = loss.number {
            number.describe(description);
        }
        let items = items.map(|exemplars| &exemplars.attributes.items);
        for exemplar in exemplars {
            description.push(exemplar.at);
            exemplar.number.describe(description);
            if let Some(items) = items {
                description.push_list(items, exemplar.attributes);
            }
        }

        self.cache.push(column, &self.description, &mut self.residue, |residue| {
            residue.begin(metric.members);
            let source = Source { message: &[bytes], tag: K::ATTRIBUTES_TAG };
            residue.list("attributes", &identity.attributes, point.attributes, source)?;
            if let Some(text) = loss.number.and_then(Number::lost_text) {
                residue.text("value", text.as_bytes());
            }
            write_absent(residue, loss.absent);
            match items {
                Some(items) if !exemplars.is_empty() => write_exemplars(residue, exemplars, items),
                _ => Ok(()),
            }
        })
    }

    /// Start over with shapes when a client invents too many.
    fn forget_crowded_shapes(&mut self, metric: &Metric<'_>) -> Result<()> {
        let (identity, exemplars, _) = self.table.columns.residue_parts();
        let items = exemplars.map(|exemplars| &exemplars.attributes.items);
        if identity.attributes.is_crowded() || items.is_some_and(Attributes::is_crowded) {
            self.table.columns.identity().attributes.forget_shapes();
            if let Some((_, exemplars)) = self.table.columns.exemplars() {
                exemplars.attributes.items.forget_shapes();
            }
            self.cache.forget();
            self.context_id = self.cache.context(metric.members)?;
        }
        Ok(())
    }

    pub fn table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }

    pub fn forget(&mut self) {
        self.cache.forget();
    }
}

fn write_absent(residue: &mut Residue, absent: u32) {
    if absent == 0 {
        return;
    }
    let names = ABSENT_NAMES.iter().enumerate().filter(|(bit, _)| absent >> bit & 1 == 1);
    let names: Vec<String> = names.map(|(_, name)| format!("\"{name}\"")).collect();
    residue.member("absent").extend_from_slice(format!("[{}]", names.join(",")).as_bytes());
}

fn write_exemplars(
    residue: &mut Residue,
    exemplars: &[LossyExemplar<'_>],
    column: &Attributes,
) -> Result<()> {
    residue.open("exemplars");
    for exemplar in exemplars {
        residue.open(&exemplar.at.to_string());
        let source = Source { message: &[exemplar.message], tag: EXEMPLAR_ATTRIBUTES_TAG };
        residue.list("attributes", column, exemplar.attributes, source)?;
        if let Some(text) = exemplar.number.lost_text() {
            residue.text("value", text.as_bytes());
        }
        residue.close();
    }
    residue.close();
    Ok(())
}

impl Exemplars {
    /// Append exemplar number `at`; return what its columns lose, and whether its time fits.
    fn push<'a>(
        &mut self,
        at: u32,
        bytes: &'a [u8],
        limits: &mut Limits,
    ) -> Result<(Option<LossyExemplar<'a>>, bool)> {
        const TIME_TAG: u32 = tag(2, FIXED64);
        const DOUBLE_TAG: u32 = tag(3, FIXED64);
        const SPAN_ID_TAG: u32 = tag(4, BYTES);
        const TRACE_ID_TAG: u32 = tag(5, BYTES);
        const INT_TAG: u32 = tag(6, FIXED64);
        let (mut time, mut number) = (0, Number::Absent);
        let (mut span_id, mut trace_id): (&[u8], &[u8]) = (b"", b"");
        let column = &mut self.attributes.items;
        let mut list = column.begin();
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            match tag {
                EXEMPLAR_ATTRIBUTES_TAG => {
                    column.push(&mut list, reader.bytes()?, EXEMPLAR_NESTING + 1, limits)?;
                }
                TIME_TAG => time = reader.fixed64()?,
                DOUBLE_TAG => number = Number::Double(reader.double()?),
                INT_TAG => number = Number::Int(reader.fixed64()? as i64),
                SPAN_ID_TAG => span_id = reader.bytes()?,
                TRACE_ID_TAG => trace_id = reader.bytes()?,
                _ => reader.skip(tag, EXEMPLAR_NESTING)?,
            }
        }
        column.close();
        self.time.items.push(time as i64);
        self.value.items.push(number.as_double());
        self.span_id.items.push_hex(span_id);
        self.trace_id.items.push_hex(trace_id);
        let attributes = list.shape();
        let lossy =
            column.loss(attributes) != Loss::Nothing || !matches!(number, Number::Double(_));
        let item = lossy.then_some(LossyExemplar { at, message: bytes, attributes, number });
        Ok((item, is_storable(time)))
    }

    fn close(&mut self) {
        self.attributes.close();
        self.time.close();
        self.value.close();
        self.span_id.close();
        self.trace_id.close();
    }
}
