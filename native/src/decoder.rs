//! The decoder: requests in, record batches out, all or nothing for each request.
//!
//! A request is walked once. Its rows go to the end of the columns as they are met; when it turns
//! out that it does not parse, the columns are cut back to where they were. The same happens first
//! thing in the next call if a bug ended the last one half-way, so a decoder is never left
//! inconsistent.

use arrow_array::StructArray;
use arrow_schema::Fields;

use crate::columns::Columns;
use crate::context::{Call, Context, Envelope, Outcome, ResidueFacts};
use crate::logs::Logs;
use crate::metrics::Metrics;
use crate::traces::Traces;
use crate::wire::{BYTES, Error, Reader, Result, tag};

/// How much a decoder takes, in bytes. The caller decides, so that there is one place for the
/// numbers, and a log can be read back with those that it was written with.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// What one request may weigh.
    pub weight_max: usize,
    /// What requests may take together, with their own bytes, before the rows are taken.
    pub held_bytes_max: usize,
}

/// Columns that are a table of this name.
pub trait Named {
    const NAME: &'static str;
}

/// The rows of a table, and how many of them are safe from a rollback.
#[derive(Default)]
pub struct Table<C> {
    pub columns: C,
    rows: usize,
    committed: usize,
}

impl<C: Columns> Table<C> {
    /// Make ready for rows, if there are none.
    #[inline(always)]
    pub fn prepare(&mut self) {
        if self.rows == 0 {
            self.columns.prepare();
        }
    }

    /// Keep the row that was appended to every column.
    #[inline(always)]
    pub fn close_row(&mut self) {
        self.rows += 1;
    }

    /// Drop what was appended of a row.
    #[inline(never)]
    pub fn drop_open_row(&mut self) {
        self.columns.truncate(self.rows);
    }
}

/// A table of whatever columns.
pub trait AnyTable {
    fn rows(&self) -> usize;
    fn commit(&mut self);
    fn roll_back(&mut self);
    fn fits(&self) -> bool;
    /// Take the rows with the table's name; the table is empty afterwards.
    fn take(&mut self) -> (&'static str, StructArray);
}

impl<C: Columns + Named> AnyTable for Table<C> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn commit(&mut self) {
        self.columns.commit();
        self.committed = self.rows;
    }

    fn roll_back(&mut self) {
        self.rows = self.committed;
        self.columns.truncate(self.rows);
        self.columns.revert();
    }

    /// Tell whether 32-bit offsets reach all that the columns hold.
    fn fits(&self) -> bool {
        self.columns.widest() <= i32::MAX as usize
    }

    fn take(&mut self) -> (&'static str, StructArray) {
        let mut taken = Vec::new();
        self.columns.take("", &mut taken);
        self.rows = 0;
        self.committed = 0;
        let (fields, arrays): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
        (C::NAME, StructArray::new(Fields::from(fields), arrays, None))
    }
}

/// How the records of one signal become rows.
pub trait Signal {
    const FACTS: ResidueFacts;

    /// Weigh the records of a scope, and prepare for them.
    fn enter_scope(&mut self, context: &mut Context, records: usize) -> Result<()>;

    /// Decode one child of a scope message: a span, a log record or a metric.
    fn record(
        &mut self,
        context: &mut Context,
        bytes: &[u8],
        call: &Call,
        outcome: &mut Outcome,
    ) -> Result<()>;

    fn each_table(&mut self, visit: &mut dyn FnMut(&mut dyn AnyTable));

    /// Forget what was cached about dictionary numbers.
    fn forget(&mut self);
}

/// Decode a whole request. On an error some of its rows are there and must be rolled back.
fn decode<S: Signal>(
    signal: &mut S,
    context: &mut Context,
    body: &[u8],
    call: &Call,
) -> Result<Outcome> {
    const RESOURCE_TAG: u32 = tag(1, BYTES);
    let mut outcome = Outcome::default();
    let mut request = Reader::new(body);
    while let Some(tag) = request.tag()? {
        if tag != RESOURCE_TAG {
            request.skip(tag, 0)?;
            continue;
        }
        let resource = request.bytes()?;
        context.enter_resource(&Envelope::read(resource, 1)?)?;
        Envelope::each_child(resource, |scope| {
            let envelope = Envelope::read(scope, 2)?;
            context.enter_scope(&envelope, S::FACTS)?;
            signal.enter_scope(context, envelope.children)?;
            Envelope::each_child(scope, |record| signal.record(context, record, call, &mut outcome))
        })?;
    }
    Ok(outcome)
}

/// A signal's rows with the state that requests share.
struct Intake<S> {
    signal: S,
    context: Context,
    bounds: Bounds,
    held_bytes: usize,
    /// A request was begun and neither committed nor rolled back.
    is_open: bool,
}

impl<S: Signal + Default> Intake<S> {
    fn new(bounds: Bounds) -> Self {
        let context = Context::new(bounds.weight_max);
        Intake { signal: S::default(), context, bounds, held_bytes: 0, is_open: false }
    }

    fn append(&mut self, body: &[u8], call: &Call) -> Result<Outcome> {
        self.settle();
        self.is_open = true;
        let outcome = self.decode(body, call);
        if outcome.is_ok() {
            self.signal.each_table(&mut |table| table.commit());
            self.is_open = false;
        }
        self.settle();
        outcome
    }

    /// Decode a request and account for it if it is to be kept.
    fn decode(&mut self, body: &[u8], call: &Call) -> Result<Outcome> {
        self.context.weight.reset();
        let outcome = decode(&mut self.signal, &mut self.context, body, call)?;
        let held_bytes = self.held_bytes + self.context.weight.check()? + body.len();
        let mut fits = held_bytes <= self.bounds.held_bytes_max;
        self.signal.each_table(&mut |table| fits &= table.fits());
        if !fits {
            return Err(Error::Capacity);
        }
        self.held_bytes = held_bytes;
        Ok(outcome)
    }

    /// Roll back a request that did not come to its end.
    fn settle(&mut self) {
        if self.is_open {
            self.signal.each_table(&mut |table| table.roll_back());
            self.signal.forget();
            self.is_open = false;
        }
    }

    fn rows(&mut self) -> usize {
        self.settle();
        let mut rows = 0;
        self.signal.each_table(&mut |table| rows += table.rows());
        rows
    }

    fn finish(&mut self) -> Vec<(&'static str, StructArray)> {
        self.settle();
        let mut batches = Vec::new();
        self.signal.each_table(&mut |table| {
            if table.rows() > 0 {
                batches.push(table.take());
            }
        });
        self.signal.forget();
        self.context = Context::new(self.bounds.weight_max);
        self.held_bytes = 0;
        batches
    }
}

/// Which kind of request a decoder takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalName {
    Traces,
    Logs,
    Metrics,
}

impl SignalName {
    pub fn parse(name: &str) -> Option<SignalName> {
        match name {
            "traces" => Some(SignalName::Traces),
            "logs" => Some(SignalName::Logs),
            "metrics" => Some(SignalName::Metrics),
            _ => None,
        }
    }
}

#[allow(clippy::large_enum_variant, reason = "a decoder has one, behind a box")]
enum AnyIntake {
    Traces(Intake<Traces>),
    Logs(Intake<Logs>),
    Metrics(Intake<Metrics>),
}

/// Collects the rows of requests of one signal until they are taken.
pub struct Decoder {
    intake: Box<AnyIntake>,
}

macro_rules! each_intake {
    ($decoder:expr, $intake:ident => $body:expr) => {
        match &mut *$decoder.intake {
            AnyIntake::Traces($intake) => $body,
            AnyIntake::Logs($intake) => $body,
            AnyIntake::Metrics($intake) => $body,
        }
    };
}

impl Decoder {
    pub fn new(signal: SignalName, bounds: Bounds) -> Self {
        let intake = match signal {
            SignalName::Traces => AnyIntake::Traces(Intake::new(bounds)),
            SignalName::Logs => AnyIntake::Logs(Intake::new(bounds)),
            SignalName::Metrics => AnyIntake::Metrics(Intake::new(bounds)),
        };
        Decoder { intake: Box::new(intake) }
    }

    /// Decode one request and keep its rows; keep nothing of it on an error.
    pub fn append(&mut self, body: &[u8], call: &Call) -> Result<Outcome> {
        each_intake!(self, intake => intake.append(body, call))
    }

    /// Return how many rows are held, over all tables.
    pub fn rows(&mut self) -> usize {
        each_intake!(self, intake => intake.rows())
    }

    /// Take all rows held, by table name, in arrival order. Tables without rows are left out.
    pub fn finish(&mut self) -> Vec<(&'static str, StructArray)> {
        each_intake!(self, intake => intake.finish())
    }
}
