//! `TraceLinkSet`: an output, and the trace ids of all that it was made of, as SBE.
//!
//! `contracts/tracelink` is the contract; `clew.lineage.sbe.linkset` is the same in Python, and the
//! oracle.

/// Before the parents: header, block and the group's header.
pub const FIXED_BYTES: usize = 40;

/// Of each parent.
pub const PARENT_BYTES: usize = 8;

const BLOCK_BYTES: u16 = 28;
const TEMPLATE: u16 = 1;
const SCHEMA: u16 = 904;
const VERSION: u16 = 1;

/// Up to so many parents each is compared with each, which needs no memory.
const COMPARED_MAX: usize = 24;

/// What is wrong with a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    NoTraceId,
    NoParents,
    TooManyParents,
    ZeroParent,
    DuplicateParent,
    SelfParent,
}

impl Fault {
    /// As they are called in documents, in the order of the variants.
    pub const NAMES: [&str; 6] = [
        "no_trace_id",
        "no_parents",
        "too_many_parents",
        "zero_parent",
        "duplicate_parent",
        "self_parent",
    ];
}

/// An item of a stream, and its trace id.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub stream_id: u32,
    pub epoch: u64,
    pub seq: u64,
    pub trace_id: u64,
}

/// Return what is wrong with an output and its parents.
#[must_use]
pub fn find_fault(trace_id: u64, parents: &[u64], max_parents: usize) -> Option<Fault> {
    if trace_id == 0 {
        return Some(Fault::NoTraceId);
    }
    if parents.is_empty() {
        return Some(Fault::NoParents);
    }
    if parents.len() > max_parents || parents.len() >= usize::from(u16::MAX) {
        return Some(Fault::TooManyParents);
    }
    if parents.contains(&0) {
        return Some(Fault::ZeroParent);
    }
    if has_duplicate(parents) {
        return Some(Fault::DuplicateParent);
    }
    parents.contains(&trace_id).then_some(Fault::SelfParent)
}

/// Hand the bytes of a sound set to `put`, in order, each with its place; return how many there are.
///
/// The caller owns the buffer, which may be memory that others see: nothing is assumed of it here.
///
/// # Errors
/// What is wrong with the set; nothing was put then.
pub fn encode(
    output: &Output,
    parents: &[u64],
    max_parents: usize,
    mut put: impl FnMut(usize, &[u8]),
) -> Result<usize, Fault> {
    if let Some(fault) = find_fault(output.trace_id, parents, max_parents) {
        return Err(fault);
    }
    // A fault was found above where the count has more than 16 bits.
    let count = u16::try_from(parents.len()).unwrap_or(u16::MAX);
    let mut head = [0; FIXED_BYTES];
    head[0..2].copy_from_slice(&BLOCK_BYTES.to_le_bytes());
    head[2..4].copy_from_slice(&TEMPLATE.to_le_bytes());
    head[4..6].copy_from_slice(&SCHEMA.to_le_bytes());
    head[6..8].copy_from_slice(&VERSION.to_le_bytes());
    head[8..12].copy_from_slice(&output.stream_id.to_le_bytes());
    head[12..20].copy_from_slice(&output.epoch.to_le_bytes());
    head[20..28].copy_from_slice(&output.seq.to_le_bytes());
    head[28..36].copy_from_slice(&output.trace_id.to_le_bytes());
    head[36..38].copy_from_slice(&(PARENT_BYTES as u16).to_le_bytes());
    head[38..40].copy_from_slice(&count.to_le_bytes());
    put(0, &head);
    for (place, parent) in parents.iter().enumerate() {
        put(FIXED_BYTES + PARENT_BYTES * place, &parent.to_le_bytes());
    }
    Ok(size_of_set(parents.len()))
}

/// The bytes that a set of so many parents takes.
#[must_use]
pub const fn size_of_set(parents: usize) -> usize {
    FIXED_BYTES + PARENT_BYTES * parents
}

fn has_duplicate(parents: &[u64]) -> bool {
    if parents.len() <= COMPARED_MAX {
        return parents.iter().enumerate().any(|(place, one)| parents[..place].contains(one));
    }
    let mut sorted = parents.to_vec();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: Output = Output { stream_id: 7, epoch: 9, seq: 11, trace_id: 42 };

    fn encoded(parents: &[u64]) -> Result<Vec<u8>, Fault> {
        let mut octets = Vec::new();
        let size = encode(&OUTPUT, parents, 167, |place, part| {
            assert_eq!(place, octets.len());
            octets.extend_from_slice(part);
        })?;
        assert_eq!(size, octets.len());
        Ok(octets)
    }

    #[test]
    fn the_golden_bytes_are_those_of_the_specification() {
        let golden = "1c000100880301000700000009000000000000000b00000000000000\
                      2a00000000000000080002000a000000000000001400000000000000";
        let octets = encoded(&[10, 20]).expect("a sound set");
        let text: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        assert_eq!(text, golden);
    }

    #[test]
    fn a_set_that_is_not_sound_is_refused_for_its_reason() {
        assert_eq!(encoded(&[]), Err(Fault::NoParents));
        assert_eq!(encoded(&[1, 0]), Err(Fault::ZeroParent));
        assert_eq!(encoded(&[1, 2, 1]), Err(Fault::DuplicateParent));
        assert_eq!(encoded(&[1, 42]), Err(Fault::SelfParent));
        let many: Vec<u64> = (100..268).collect();
        assert_eq!(encoded(&many), Err(Fault::TooManyParents));
        assert!(encoded(&many[..167]).is_ok());
        let twice: Vec<u64> = (100..160).chain([130]).collect();
        assert_eq!(encoded(&twice), Err(Fault::DuplicateParent));
        assert_eq!(find_fault(0, &[1], 167), Some(Fault::NoTraceId));
    }
}
