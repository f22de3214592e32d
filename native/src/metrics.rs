//! Metrics: what their points share, and which kind of points they have.
//!
//! The data of a metric is a oneof of messages, so an earlier kind can be displaced by a later one,
//! and pieces of the same kind are merged. What is displaced still has to parse.

use crate::attributes::SharedList;
use crate::context::{Call, Context, Outcome, Reason, ResidueFacts};
use crate::decoder::{AnyTable, Signal};
use crate::histograms::{ExponentialHistograms, Histograms};
use crate::kinds::{Gauges, Summaries, Sums};
use crate::points::{Metric, POINT_NESTING, POINTS_TAG, Points};
use crate::residue::{Residue, Source};
use crate::value::Limits;
use crate::wire::{BYTES, Parts, Reader, Result, VARINT, tag};

/// How deep a metric lies in the request.
const NESTING: u32 = 3;

const NAME_TAG: u32 = tag(1, BYTES);
const DESCRIPTION_TAG: u32 = tag(2, BYTES);
const UNIT_TAG: u32 = tag(3, BYTES);
const GAUGE_TAG: u32 = tag(5, BYTES);
const SUM_TAG: u32 = tag(7, BYTES);
const HISTOGRAM_TAG: u32 = tag(9, BYTES);
const EXPONENTIAL_HISTOGRAM_TAG: u32 = tag(10, BYTES);
const SUMMARY_TAG: u32 = tag(11, BYTES);
const METADATA_TAG: u32 = tag(12, BYTES);

/// The data of a metric: the tag of its kind, and its pieces.
struct MetricData<'a> {
    kind: u32,
    parts: Parts<'a>,
}

/// Data points that wait to be taken.
#[derive(Default)]
pub struct Metrics {
    gauges: Points<Gauges>,
    sums: Points<Sums>,
    summaries: Points<Summaries>,
    histograms: Points<Histograms>,
    exponential_histograms: Points<ExponentialHistograms>,
    metadata: SharedList,
    residue: Residue,
    /// The residue's members that the points of the metric begin with.
    members: Vec<u8>,
}

/// Run the same on the points of a kind, whichever it is.
macro_rules! points_of {
    ($metrics:expr, $kind:expr, $points:ident => $body:expr) => {
        match $kind {
            GAUGE_TAG => {
                let $points = &mut $metrics.gauges;
                $body
            }
            SUM_TAG => {
                let $points = &mut $metrics.sums;
                $body
            }
            HISTOGRAM_TAG => {
                let $points = &mut $metrics.histograms;
                $body
            }
            EXPONENTIAL_HISTOGRAM_TAG => {
                let $points = &mut $metrics.exponential_histograms;
                $body
            }
            _ => {
                let $points = &mut $metrics.summaries;
                $body
            }
        }
    };
}

impl Signal for Metrics {
    const FACTS: ResidueFacts = ResidueFacts { schema_urls: false, scope_dropped: false };

    /// Metrics are no rows: their points are weighed when the metric is known.
    fn enter_scope(&mut self, _context: &mut Context, _metrics: usize) -> Result<()> {
        Ok(())
    }

    fn record(
        &mut self,
        context: &mut Context,
        bytes: &[u8],
        call: &Call,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let mut metric = Metric { limits: context.limits(), ..Metric::default() };
        let mut data: Option<MetricData<'_>> = None;
        let mut has_metadata = false;
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            match tag {
                NAME_TAG => metric.name = reader.text()?,
                DESCRIPTION_TAG => metric.description = reader.text()?,
                UNIT_TAG => metric.unit = reader.text()?,
                GAUGE_TAG | SUM_TAG | HISTOGRAM_TAG | EXPONENTIAL_HISTOGRAM_TAG | SUMMARY_TAG => {
                    let part = reader.bytes()?;
                    if let Some(data) = data.as_mut().filter(|data| data.kind == tag) {
                        data.parts.push(part);
                        continue;
                    }
                    let next = MetricData { kind: tag, parts: Parts::One(part) };
                    if let Some(displaced) = data.replace(next) {
                        self.check_data(&displaced, context, call)?;
                    }
                }
                METADATA_TAG => {
                    has_metadata = true;
                    reader.bytes()?;
                }
                _ => reader.skip(tag, NESTING)?,
            }
        }
        if has_metadata {
            self.read_metadata(bytes, &mut metric.limits)?;
        }
        let Some(data) = data else { return Ok(()) };
        let points = read_data_fields(&data, &mut metric)?;
        let mut members = std::mem::take(&mut self.members);
        let mut repeated = 0;
        // As with scopes: a metric whose points are not kept, or that has none, costs its parse.
        let is_refused = Reason::of_limits(metric.limits).is_some() || context.weight.is_over();
        if points > 0 && !is_refused {
            self.write_members(&mut members, context, bytes, has_metadata)?;
            metric.members = &members;
            repeated = context.repeated - context.members.len()
                + members.len()
                + metric.description.len()
                + metric.unit.len();
        }
        let is_admitted = context.admit(points, repeated, metric.limits);
        let parts = data.parts.as_slice();
        points_of!(self, data.kind, points => {
            if is_admitted {
                points.enter(&metric, context)?;
            }
            points.read(parts, &metric, context, call, outcome)?;
        });
        self.members = members;
        Ok(())
    }

    fn each_table(&mut self, visit: &mut dyn FnMut(&mut dyn AnyTable)) {
        visit(self.gauges.table());
        visit(self.sums.table());
        visit(self.summaries.table());
        visit(self.histograms.table());
        visit(self.exponential_histograms.table());
    }

    fn forget(&mut self) {
        self.gauges.forget();
        self.sums.forget();
        self.summaries.forget();
        self.histograms.forget();
        self.exponential_histograms.forget();
    }
}

impl Metrics {
    /// Parse data that a later kind displaced.
    fn check_data(
        &mut self,
        data: &MetricData<'_>,
        context: &mut Context,
        call: &Call,
    ) -> Result<()> {
        let displaced = Metric { is_displaced: true, ..Metric::default() };
        let (parts, mut unused) = (data.parts.as_slice(), Outcome::default());
        points_of!(self, data.kind, points => {
            points.read(parts, &displaced, context, call, &mut unused)
        })
    }

    /// Read the metadata of a metric for what may be wrong with it.
    fn read_metadata(&mut self, metric: &[u8], limits: &mut Limits) -> Result<()> {
        let mut list = self.metadata.begin();
        let mut own_limits = Limits::default();
        let mut reader = Reader::new(metric);
        while let Some(tag) = reader.tag()? {
            match tag {
                METADATA_TAG => {
                    self.metadata.push(&mut list, reader.bytes()?, NESTING + 1, &mut own_limits)?;
                }
                _ => reader.skip(tag, NESTING)?,
            }
        }
        *limits = limits.join(own_limits);
        Ok(())
    }

    /// Put together the members that the residue of each point begins with.
    fn write_members(
        &mut self,
        members: &mut Vec<u8>,
        context: &Context,
        metric: &[u8],
        has_metadata: bool,
    ) -> Result<()> {
        self.residue.begin(&context.members);
        if has_metadata {
            let source = Source { message: &[metric], tag: METADATA_TAG };
            source.push_whole(self.residue.member("metadata"))?;
        }
        members.clear();
        members.extend_from_slice(self.residue.members());
        Ok(())
    }
}

/// Read what a metric's data says beside its points; return how many points there are.
///
/// A gauge or summary has none of these fields; what it has under their numbers is not looked at.
fn read_data_fields(data: &MetricData<'_>, metric: &mut Metric<'_>) -> Result<usize> {
    const TEMPORALITY_TAG: u32 = tag(2, VARINT);
    const IS_MONOTONIC_TAG: u32 = tag(3, VARINT);
    let mut points = 0;
    for part in data.parts.as_slice() {
        let mut reader = Reader::new(part);
        while let Some(tag) = reader.tag()? {
            match tag {
                POINTS_TAG => {
                    reader.bytes()?;
                    points += 1;
                }
                TEMPORALITY_TAG => metric.temporality = reader.varint()? as i32,
                IS_MONOTONIC_TAG => metric.is_monotonic = reader.varint()? != 0,
                _ => reader.skip(tag, POINT_NESTING - 1)?,
            }
        }
    }
    Ok(points)
}
