//! OTLP requests to Arrow rows.
//!
//! `docs/internals/rows.md` is the contract: it decides every column, every residue text and every
//! reason for a refusal. The crate is plain Rust ([`Decoder`]) with a thin Python module over it
//! (feature `extension`). None of it needs unsafe code.

#![forbid(unsafe_code)]

mod attributes;
mod columns;
mod context;
mod decoder;
mod dictionary;
mod histograms;
mod kinds;
mod logs;
mod metrics;
mod number;
mod points;
#[cfg(feature = "extension")]
mod python;
mod residue;
mod traces;
mod value;
mod weight;
mod wire;

pub use context::{Call, Outcome, Reason};
pub use decoder::{Bounds, Decoder, SignalName};
pub use wire::Error;
