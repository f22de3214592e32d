//! OTLP requests to Arrow rows; trace ids and link sets.
//!
//! `docs/internals/rows.md` is the contract of the rows: it decides every column, every residue text
//! and every reason for a refusal. That of lineage is `contracts/tracelink`. The crate is plain Rust
//! ([`Decoder`], [`trace_ids`], [`link_sets`]) with a thin Python module over it (feature
//! `extension`). None of it needs unsafe code.

#![forbid(unsafe_code)]

mod attributes;
mod columns;
mod context;
mod decoder;
mod dictionary;
mod histograms;
mod kinds;
pub mod link_sets;
mod logs;
mod metrics;
mod number;
mod points;
#[cfg(feature = "extension")]
mod python;
#[cfg(feature = "extension")]
mod python_lineage;
mod residue;
pub mod trace_ids;
mod traces;
mod value;
mod weight;
mod wire;

pub use context::{Call, Outcome, Reason};
pub use decoder::{Bounds, Decoder, SignalName};
pub use wire::Error;
