//! The kinds of data points: their tables, and the fields that only they have. Here are gauges, sums
//! and summaries; `histograms` has the other two.
//!
//! Repeated fields go to their columns as they are met; singular ones wait in the kind's `Own`
//! until the point is known to be kept.

use arrow_array::types::{Int32Type, UInt32Type, UInt64Type};

use crate::columns::{Booleans, Lists, Numbers, columns};
use crate::decoder::Named;
use crate::dictionary::Symbols;
use crate::points::{Doubles, Exemplars, Identity, Metric, Number, POINT_NESTING, PointLoss};
use crate::wire::{BYTES, FIXED64, Reader, Result, VARINT, tag};

pub type Counts = Numbers<UInt64Type>;

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
pub(crate) use with_exemplars;

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
