//! The two kinds of histograms. What they say beside their buckets is the same, and is read and
//! written in one place ([`Observed`]).

use arrow_array::types::{Int32Type, UInt32Type};

use crate::columns::{Lists, Numbers, columns};
use crate::decoder::Named;
use crate::dictionary::Symbols;
use crate::kinds::{Counts, PointKind, with_exemplars};
use crate::points::{Doubles, Exemplars, Identity, Metric, POINT_NESTING, PointLoss};
use crate::wire::{BYTES, Error, FIXED64, Reader, Result, VARINT, tag};

const COUNT_TAG: u32 = tag(4, FIXED64);
const SUM_TAG: u32 = tag(5, FIXED64);

columns! {
    /// What stands before the buckets.
    Totals {
        count: Counts = "Count",
        sum: Doubles = "Sum",
    }
}

columns! {
    /// What stands after the exemplars.
    Extent {
        flags: Numbers<UInt32Type> = "Flags",
        min: Doubles = "Min",
        max: Doubles = "Max",
        temporality: Numbers<Int32Type> = "AggregationTemporality",
    }
}

/// What histograms of both kinds say beside their buckets. The minimum and the maximum have other
/// field numbers in each.
#[derive(Clone, Copy, Default)]
pub struct Observed {
    count: u64,
    sum: Option<f64>,
    min: Option<f64>,
    max: Option<f64>,
}

impl Observed {
    #[inline(always)]
    fn read<const MIN_TAG: u32, const MAX_TAG: u32>(
        &mut self,
        field: u32,
        reader: &mut Reader<'_>,
    ) -> Result<bool> {
        match field {
            COUNT_TAG => self.count = reader.fixed64()?,
            SUM_TAG => self.sum = Some(reader.double()?),
            _ if field == MIN_TAG => self.min = Some(reader.double()?),
            _ if field == MAX_TAG => self.max = Some(reader.double()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Append the columns before and after the buckets; tell which optional members were set.
    #[inline(always)]
    fn push(
        self,
        totals: &mut Totals,
        extent: &mut Extent,
        flags: u32,
        metric: &Metric<'_>,
    ) -> [bool; 3] {
        totals.count.push(self.count);
        totals.sum.push(self.sum.unwrap_or_default());
        extent.flags.push(flags);
        extent.min.push(self.min.unwrap_or_default());
        extent.max.push(self.max.unwrap_or_default());
        extent.temporality.push(metric.temporality);
        [self.sum.is_some(), self.min.is_some(), self.max.is_some()]
    }
}

columns! {
    Histograms {
        identity: Identity = "",
        totals: Totals = "",
        bucket_counts: Lists<Counts> = "BucketCounts",
        explicit_bounds: Lists<Doubles> = "ExplicitBounds",
        exemplars: Exemplars = "",
        extent: Extent = "",
        residue: Symbols = "Residue",
        frame: Counts = "Frame",
    }
}

impl Named for Histograms {
    const NAME: &'static str = "otel_metrics_histogram";
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

    type Own = Observed;

    fn read(&mut self, own: &mut Observed, field: u32, reader: &mut Reader<'_>) -> Result<bool> {
        const COUNTS_TAG: u32 = tag(6, BYTES);
        const COUNT_ALONE_TAG: u32 = tag(6, FIXED64);
        const BOUNDS_TAG: u32 = tag(7, BYTES);
        const BOUND_ALONE_TAG: u32 = tag(7, FIXED64);
        const MIN_TAG: u32 = tag(11, FIXED64);
        const MAX_TAG: u32 = tag(12, FIXED64);
        let (counts, bounds) = (&mut self.bucket_counts.items, &mut self.explicit_bounds.items);
        match field {
            COUNTS_TAG => {
                read_packed(reader.bytes()?, |count| counts.push(u64::from_le_bytes(count)))?
            }
            COUNT_ALONE_TAG => counts.push(reader.fixed64()?),
            BOUNDS_TAG => {
                read_packed(reader.bytes()?, |bound| bounds.push(f64::from_le_bytes(bound)))?
            }
            BOUND_ALONE_TAG => bounds.push(reader.double()?),
            COUNT_TAG | SUM_TAG | MIN_TAG | MAX_TAG => {
                return own.read::<MIN_TAG, MAX_TAG>(field, reader);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn push(&mut self, own: Observed, flags: u32, metric: &Metric<'_>) -> PointLoss {
        let are_set = own.push(&mut self.totals, &mut self.extent, flags, metric);
        self.bucket_counts.close();
        self.explicit_bounds.close();
        PointLoss::of_members(&are_set)
    }

    with_exemplars!(tag(8, BYTES));
}

columns! {
    ExponentialHistograms {
        identity: Identity = "",
        totals: Totals = "",
        scale: Numbers<Int32Type> = "Scale",
        zero_count: Counts = "ZeroCount",
        zero_threshold: Doubles = "ZeroThreshold",
        positive_offset: Numbers<Int32Type> = "PositiveOffset",
        positive_counts: Lists<Counts> = "PositiveBucketCounts",
        negative_offset: Numbers<Int32Type> = "NegativeOffset",
        negative_counts: Lists<Counts> = "NegativeBucketCounts",
        exemplars: Exemplars = "",
        extent: Extent = "",
        residue: Symbols = "Residue",
        frame: Counts = "Frame",
    }
}

impl Named for ExponentialHistograms {
    const NAME: &'static str = "otel_metrics_exponential_histogram";
}

#[derive(Default)]
pub struct ExponentialHistogramFields {
    observed: Observed,
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
            SCALE_TAG => own.scale = zigzag(reader.varint()?),
            ZERO_COUNT_TAG => own.zero_count = reader.fixed64()?,
            POSITIVE_TAG => read_buckets(reader.bytes()?, &mut own.positive, positive)?,
            NEGATIVE_TAG => read_buckets(reader.bytes()?, &mut own.negative, negative)?,
            ZERO_THRESHOLD_TAG => own.zero_threshold = reader.double()?,
            COUNT_TAG | SUM_TAG | MIN_TAG | MAX_TAG => {
                return own.observed.read::<MIN_TAG, MAX_TAG>(field, reader);
            }
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
        let [sum, min, max] = own.observed.push(&mut self.totals, &mut self.extent, flags, metric);
        self.scale.push(own.scale);
        self.zero_count.push(own.zero_count);
        self.zero_threshold.push(own.zero_threshold);
        self.positive_offset.push(own.positive.unwrap_or_default());
        self.positive_counts.close();
        self.negative_offset.push(own.negative.unwrap_or_default());
        self.negative_counts.close();
        PointLoss::of_members(&[sum, min, max, own.positive.is_some(), own.negative.is_some()])
    }

    with_exemplars!(tag(11, BYTES));
}
