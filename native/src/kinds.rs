//! The five kinds of data points: their tables, and the fields that only they have.
//!
//! Repeated fields go to their columns as they are met; singular ones wait in the kind's `Own`
//! until the point is known to be kept.

use arrow_array::types::{Int32Type, UInt32Type, UInt64Type};

use crate::columns::{Booleans, Lists, Numbers, columns};
use crate::decoder::Named;
use crate::dictionary::Symbols;
use crate::points::{Doubles, Exemplars, Identity, Metric, Number, POINT_NESTING, PointLoss};
use crate::wire::{BYTES, Error, FIXED64, Reader, Result, VARINT, tag};

type Counts = Numbers<UInt64Type>;

/// What a kind of point adds to what all have.
pub trait PointKind {
    /// The table's place among those that a resource's attributes go to.
    const TABLE: usize;
    const ATTRIBUTES_TAG: u32;
    const FLAGS_TAG: u32;

    /// The kind's singular fields.
    type Own: Default;

    /// Read a field that only this kind has; return false, and read nothing, if it has no such
    /// field.
    fn read(&mut self, own: &mut Self::Own, field: u32, reader: &mut Reader<'_>) -> Result<bool>;

    /// Append the kind's own columns; return what they lose.
    fn push(&mut self, own: Self::Own, flags: u32, metric: &Metric<'_>) -> PointLoss;

    fn identity(&mut self) -> &mut Identity;

    /// Return the exemplars' columns with the tag of their field, if the kind has any.
    fn exemplars(&mut self) -> Option<(u32, &mut Exemplars)>;

    fn frame(&mut self) -> &mut Counts;

    /// Return the columns that the residue describes, and the residue's own.
    fn residue_parts(&mut self) -> (&Identity, Option<&Exemplars>, &mut Symbols);
}

/// The parts of `PointKind` that are the same for every table with exemplars.
macro_rules! with_exemplars {
    ($tag:expr) => {
        fn identity(&mut self) -> &mut Identity {
            &mut self.identity
        }

        fn exemplars(&mut self) -> Option<(u32, &mut Exemplars)> {
            Some(($tag, &mut self.exemplars))
        }

        fn frame(&mut self) -> &mut Counts {
            &mut self.frame
        }

        fn residue_parts(&mut self) -> (&Identity, Option<&Exemplars>, &mut Symbols) {
            (&self.identity, Some(&self.exemplars), &mut self.residue)
        }
    };
}

columns! {
    Gauges {
        identity: Identity = "",
        value: Doubles = "Value",
        flags: Numbers<UInt32Type> = "Flags",
        exemplars: Exemplars = "",
        residue: Symbols = "Residue",
        frame: Counts = "Frame",
    }
}

impl Named for Gauges {
    const NAME: &'static str = "otel_metrics_gauge";
}

columns! {
    Sums {
        identity: Identity = "",
        value: Doubles = "Value",
        flags: Numbers<UInt32Type> = "Flags",
        exemplars: Exemplars = "",
        temporality: Numbers<Int32Type> = "AggregationTemporality",
        is_monotonic: Booleans = "IsMonotonic",
        residue: Symbols = "Residue",
        frame: Counts = "Frame",
    }
}

impl Named for Sums {
    const NAME: &'static str = "otel_metrics_sum";
}

/// Read the value of a number point.
fn read_number(number: &mut Number, field: u32, reader: &mut Reader<'_>) -> Result<bool> {
    match field {
        NUMBER_DOUBLE_TAG => *number = Number::Double(reader.double()?),
        NUMBER_INT_TAG => *number = Number::Int(reader.fixed64()? as i64),
        _ => return Ok(false),
    }
    Ok(true)
}

const NUMBER_DOUBLE_TAG: u32 = tag(4, FIXED64);
const NUMBER_INT_TAG: u32 = tag(6, FIXED64);
const NUMBER_EXEMPLARS_TAG: u32 = tag(5, BYTES);

impl PointKind for Gauges {
    const TABLE: usize = 0;
    const ATTRIBUTES_TAG: u32 = tag(7, BYTES);
    const FLAGS_TAG: u32 = tag(8, VARINT);

    type Own = Number;

    fn read(&mut self, own: &mut Number, field: u32, reader: &mut Reader<'_>) -> Result<bool> {
        read_number(own, field, reader)
    }

    fn push(&mut self, own: Number, flags: u32, _metric: &Metric<'_>) -> PointLoss {
        self.value.push(own.as_double());
        self.flags.push(flags);
        PointLoss { number: Some(own), absent: 0 }
    }

    with_exemplars!(NUMBER_EXEMPLARS_TAG);
}

impl PointKind for Sums {
    const TABLE: usize = 1;
    const ATTRIBUTES_TAG: u32 = tag(7, BYTES);
    const FLAGS_TAG: u32 = tag(8, VARINT);

    type Own = Number;

    fn read(&mut self, own: &mut Number, field: u32, reader: &mut Reader<'_>) -> Result<bool> {
        read_number(own, field, reader)
    }

    fn push(&mut self, own: Number, flags: u32, metric: &Metric<'_>) -> PointLoss {
        self.value.push(own.as_double());
        self.flags.push(flags);
        self.temporality.push(metric.temporality);
        self.is_monotonic.push(metric.is_monotonic);
        PointLoss { number: Some(own), absent: 0 }
    }

    with_exemplars!(NUMBER_EXEMPLARS_TAG);
}

columns! {
    Summaries {
        identity: Identity = "",
        count: Counts = "Count",
        sum: Doubles = "Sum",
        quantile: Lists<Doubles> = "ValueAtQuantiles.Quantile",
        value: Lists<Doubles> = "ValueAtQuantiles.Value",
        flags: Numbers<UInt32Type> = "Flags",
        residue: Symbols = "Residue",
        frame: Counts = "Frame",
    }
}

impl Named for Summaries {
    const NAME: &'static str = "otel_metrics_summary";
}

#[derive(Default)]
pub struct SummaryFields {
    count: u64,
    sum: f64,
}

impl Summaries {
    fn push_quantile(&mut self, bytes: &[u8]) -> Result<()> {
        const QUANTILE_TAG: u32 = tag(1, FIXED64);
        const VALUE_TAG: u32 = tag(2, FIXED64);
        let (mut quantile, mut value) = (0.0, 0.0);
        let mut reader = Reader::new(bytes);
        while let Some(tag) = reader.tag()? {
            match tag {
                QUANTILE_TAG => quantile = reader.double()?,
                VALUE_TAG => value = reader.double()?,
                _ => reader.skip(tag, POINT_NESTING + 1)?,
            }
        }
        self.quantile.items.push(quantile);
        self.value.items.push(value);
        Ok(())
    }
}

impl PointKind for Summaries {
    const TABLE: usize = 2;
    const ATTRIBUTES_TAG: u32 = tag(7, BYTES);
    const FLAGS_TAG: u32 = tag(8, VARINT);

    type Own = SummaryFields;

    fn read(
        &mut self,
        own: &mut SummaryFields,
        field: u32,
        reader: &mut Reader<'_>,
    ) -> Result<bool> {
        const COUNT_TAG: u32 = tag(4, FIXED64);
        const SUM_TAG: u32 = tag(5, FIXED64);
        const QUANTILES_TAG: u32 = tag(6, BYTES);
        match field {
            COUNT_TAG => own.count = reader.fixed64()?,
            SUM_TAG => own.sum = reader.double()?,
            QUANTILES_TAG => self.push_quantile(reader.bytes()?)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn push(&mut self, own: SummaryFields, flags: u32, _metric: &Metric<'_>) -> PointLoss {
        self.count.push(own.count);
        self.sum.push(own.sum);
        self.quantile.close();
        self.value.close();
        self.flags.push(flags);
        PointLoss::default()
    }

    fn identity(&mut self) -> &mut Identity {
        &mut self.identity
    }

    fn exemplars(&mut self) -> Option<(u32, &mut Exemplars)> {
        None
    }

    fn frame(&mut self) -> &mut Counts {
        &mut self.frame
    }

    fn residue_parts(&mut self) -> (&Identity, Option<&Exemplars>, &mut Symbols) {
        (&self.identity, None, &mut self.residue)
    }
}

columns! {
    Histograms {
        identity: Identity = "",
        count: Counts = "Count",
        sum: Doubles = "Sum",
        bucket_counts: Lists<Counts> = "BucketCounts",
        explicit_bounds: Lists<Doubles> = "ExplicitBounds",
        exemplars: Exemplars = "",
        flags: Numbers<UInt32Type> = "Flags",
        min: Doubles = "Min",
        max: Doubles = "Max",
        temporality: Numbers<Int32Type> = "AggregationTemporality",
        residue: Symbols = "Residue",
        frame: Counts = "Frame",
    }
}

impl Named for Histograms {
    const NAME: &'static str = "otel_metrics_histogram";
}

#[derive(Default)]
pub struct HistogramFields {
    count: u64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

/// Append the elements of a packed fixed-width field.
fn read_packed<T>(bytes: &[u8], mut push: impl FnMut([u8; 8]) -> T) -> Result<()> {
    let (elements, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(Error::Malformed("a packed field that ends within an element"));
    }
    elements.iter().for_each(|element| drop(push(*element)));
    Ok(())
}

impl PointKind for Histograms {
    const TABLE: usize = 3;
    const ATTRIBUTES_TAG: u32 = tag(9, BYTES);
    const FLAGS_TAG: u32 = tag(10, VARINT);

    type Own = HistogramFields;

    fn read(
        &mut self,
        own: &mut HistogramFields,
        field: u32,
        reader: &mut Reader<'_>,
    ) -> Result<bool> {
        const COUNT_TAG: u32 = tag(4, FIXED64);
        const SUM_TAG: u32 = tag(5, FIXED64);
        const COUNTS_TAG: u32 = tag(6, BYTES);
        const COUNT_ALONE_TAG: u32 = tag(6, FIXED64);
        const BOUNDS_TAG: u32 = tag(7, BYTES);
        const BOUND_ALONE_TAG: u32 = tag(7, FIXED64);
        const MIN_TAG: u32 = tag(11, FIXED64);
        const MAX_TAG: u32 = tag(12, FIXED64);
        let (counts, bounds) = (&mut self.bucket_counts.items, &mut self.explicit_bounds.items);
        match field {
            COUNT_TAG => own.count = reader.fixed64()?,
            SUM_TAG => own.sum = Some(reader.double()?),
            COUNTS_TAG => {
                read_packed(reader.bytes()?, |count| counts.push(u64::from_le_bytes(count)))?
            }
            COUNT_ALONE_TAG => counts.push(reader.fixed64()?),
            BOUNDS_TAG => {
                read_packed(reader.bytes()?, |bound| bounds.push(f64::from_le_bytes(bound)))?
            }
            BOUND_ALONE_TAG => bounds.push(reader.double()?),
            MIN_TAG => own.min = Some(reader.double()?),
            MAX_TAG => own.max = Some(reader.double()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn push(&mut self, own: HistogramFields, flags: u32, metric: &Metric<'_>) -> PointLoss {
        self.count.push(own.count);
        self.sum.push(own.sum.unwrap_or_default());
        self.bucket_counts.close();
        self.explicit_bounds.close();
        self.flags.push(flags);
        self.min.push(own.min.unwrap_or_default());
        self.max.push(own.max.unwrap_or_default());
        self.temporality.push(metric.temporality);
        PointLoss::of_members(&[own.sum.is_some(), own.min.is_some(), own.max.is_some()])
    }

    with_exemplars!(tag(8, BYTES));
}

columns! {
    ExponentialHistograms {
        identity: Identity = "",
        count: Counts = "Count",
        sum: Doubles = "Sum",
        scale: Numbers<Int32Type> = "Scale",
        zero_count: Counts = "ZeroCount",
        zero_threshold: Doubles = "ZeroThreshold",
        positive_offset: Numbers<Int32Type> = "PositiveOffset",
        positive_counts: Lists<Counts> = "PositiveBucketCounts",
        negative_offset: Numbers<Int32Type> = "NegativeOffset",
        negative_counts: Lists<Counts> = "NegativeBucketCounts",
        exemplars: Exemplars = "",
        flags: Numbers<UInt32Type> = "Flags",
        min: Doubles = "Min",
        max: Doubles = "Max",
        temporality: Numbers<Int32Type> = "AggregationTemporality",
        residue: Symbols = "Residue",
        frame: Counts = "Frame",
    }
}

impl Named for ExponentialHistograms {
    const NAME: &'static str = "otel_metrics_exponential_histogram";
}

#[derive(Default)]
pub struct ExponentialHistogramFields {
    histogram: HistogramFields,
    scale: i32,
    zero_count: u64,
    zero_threshold: f64,
    /// The offset of the buckets, once there are any.
    positive: Option<i32>,
    negative: Option<i32>,
}

/// Decode an `sint32`.
fn zigzag(varint: u64) -> i32 {
    let bits = varint as u32;
    (bits >> 1) as i32 ^ -((bits & 1) as i32)
}

/// Read one piece of a `Buckets`: counts are appended, the offset is replaced where it is given.
fn read_buckets(bytes: &[u8], offset: &mut Option<i32>, counts: &mut Counts) -> Result<()> {
    const OFFSET_TAG: u32 = tag(1, VARINT);
    const COUNTS_TAG: u32 = tag(2, BYTES);
    const COUNT_ALONE_TAG: u32 = tag(2, VARINT);
    let offset = offset.get_or_insert(0);
    let mut reader = Reader::new(bytes);
    while let Some(tag) = reader.tag()? {
        match tag {
            OFFSET_TAG => *offset = zigzag(reader.varint()?),
            COUNTS_TAG => {
                let mut packed = Reader::new(reader.bytes()?);
                while !packed.is_empty() {
                    counts.push(packed.varint()?);
                }
            }
            COUNT_ALONE_TAG => counts.push(reader.varint()?),
            _ => reader.skip(tag, POINT_NESTING + 1)?,
        }
    }
    Ok(())
}

impl PointKind for ExponentialHistograms {
    const TABLE: usize = 4;
    const ATTRIBUTES_TAG: u32 = tag(1, BYTES);
    const FLAGS_TAG: u32 = tag(10, VARINT);

    type Own = ExponentialHistogramFields;

    fn read(
        &mut self,
        own: &mut ExponentialHistogramFields,
        field: u32,
        reader: &mut Reader<'_>,
    ) -> Result<bool> {
        const COUNT_TAG: u32 = tag(4, FIXED64);
        const SUM_TAG: u32 = tag(5, FIXED64);
        const SCALE_TAG: u32 = tag(6, VARINT);
        const ZERO_COUNT_TAG: u32 = tag(7, FIXED64);
        const POSITIVE_TAG: u32 = tag(8, BYTES);
        const NEGATIVE_TAG: u32 = tag(9, BYTES);
        const MIN_TAG: u32 = tag(12, FIXED64);
        const MAX_TAG: u32 = tag(13, FIXED64);
        const ZERO_THRESHOLD_TAG: u32 = tag(14, FIXED64);
        let (positive, negative) =
            (&mut self.positive_counts.items, &mut self.negative_counts.items);
        match field {
            COUNT_TAG => own.histogram.count = reader.fixed64()?,
            SUM_TAG => own.histogram.sum = Some(reader.double()?),
            SCALE_TAG => own.scale = zigzag(reader.varint()?),
            ZERO_COUNT_TAG => own.zero_count = reader.fixed64()?,
            POSITIVE_TAG => read_buckets(reader.bytes()?, &mut own.positive, positive)?,
            NEGATIVE_TAG => read_buckets(reader.bytes()?, &mut own.negative, negative)?,
            MIN_TAG => own.histogram.min = Some(reader.double()?),
            MAX_TAG => own.histogram.max = Some(reader.double()?),
            ZERO_THRESHOLD_TAG => own.zero_threshold = reader.double()?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn push(
        &mut self,
        own: ExponentialHistogramFields,
        flags: u32,
        metric: &Metric<'_>,
    ) -> PointLoss {
        let HistogramFields { count, sum, min, max } = own.histogram;
        self.count.push(count);
        self.sum.push(sum.unwrap_or_default());
        self.scale.push(own.scale);
        self.zero_count.push(own.zero_count);
        self.zero_threshold.push(own.zero_threshold);
        self.positive_offset.push(own.positive.unwrap_or_default());
        self.positive_counts.close();
        self.negative_offset.push(own.negative.unwrap_or_default());
        self.negative_counts.close();
        self.flags.push(flags);
        self.min.push(min.unwrap_or_default());
        self.max.push(max.unwrap_or_default());
        self.temporality.push(metric.temporality);
        PointLoss::of_members(&[
            sum.is_some(),
            min.is_some(),
            max.is_some(),
            own.positive.is_some(),
            own.negative.is_some(),
        ])
    }

    with_exemplars!(tag(11, BYTES));
}
