//! The part of the Python module that lineage uses: ids, and the bytes of link sets.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::buffer::PyBuffer;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::link_sets::{Fault, Output, encode, size_of_set};
use crate::trace_ids::{Layout, NoId, Sequence};

/// Up to so many parents no memory is asked for.
const PARENTS_ON_STACK: usize = 24;

thread_local! {
    /// What a set is put together in: one for each thread, as large as its largest slot.
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// The ids of one node: each once, ascending, for all threads.
#[pyclass(module = "clew_native", frozen)]
struct TraceIdSequence {
    sequence: Sequence,
    on_miss: Option<Py<PyAny>>,
    was_told: AtomicBool,
}

#[pymethods]
impl TraceIdSequence {
    /// Create the sequence of a node. `on_miss` is called with the reason of the first 0.
    #[new]
    #[pyo3(signature = (node_id, node_bits, sequence_bits, epoch_offset_ms, on_miss=None))]
    fn new(
        node_id: u64,
        node_bits: u32,
        sequence_bits: u32,
        epoch_offset_ms: i64,
        on_miss: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let layout = Layout { node_bits, sequence_bits, epoch_offset_ms };
        match Sequence::new(layout, node_id) {
            Some(sequence) => {
                Ok(TraceIdSequence { sequence, on_miss, was_told: AtomicBool::new(false) })
            }
            None => Err(PyValueError::new_err("node id, bits and epoch do not go together")),
        }
    }

    /// Return the next id, or 0, which is no id: `missed` counts why.
    fn next(&self, py: Python<'_>) -> u64 {
        if let Some(found) = self.sequence.try_next() {
            return found;
        }
        match py.detach(|| self.sequence.next_id()) {
            Ok(found) => found,
            Err(reason) => {
                self.tell(py, reason);
                0
            }
        }
    }

    /// Return the next id as if it were some Unix millisecond, or 0; nothing is counted.
    fn next_at(&self, now_ms: i64) -> u64 {
        self.sequence.next_at(now_ms).unwrap_or(0)
    }

    /// Give out no more ids, for a reason by its name.
    fn end(&self, reason: &str) -> PyResult<()> {
        let place = NoId::NAMES.iter().position(|name| *name == reason);
        let place = place.ok_or_else(|| PyValueError::new_err(format!("no reason: {reason}")))?;
        self.sequence.end(NoId::ALL[place]);
        Ok(())
    }

    /// Give out ids again.
    fn go_on(&self) {
        self.was_told.store(false, Ordering::Relaxed);
        self.sequence.go_on();
    }

    /// Return how many calls were answered by 0, by reason.
    fn missed(&self) -> Vec<(&'static str, u64)> {
        NoId::NAMES.into_iter().zip(self.sequence.missed()).collect()
    }
}

impl TraceIdSequence {
    fn tell(&self, py: Python<'_>, reason: NoId) {
        if self.was_told.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(on_miss) = &self.on_miss
            && let Err(error) = on_miss.call1(py, (NoId::NAMES[reason as usize],))
        {
            // Who asked for an id must not hear of it.
            error.write_unraisable(py, None);
        }
    }
}

/// Write a set into a buffer; return how many bytes it takes, or less than 1 where it was not done.
///
/// -1 - n is the fault at place n of `LINK_SET_FAULTS`. 0: the parents are neither a tuple nor a list,
/// or the buffer has no room.
#[pyfunction]
#[pyo3(signature = (buffer, stream_id, epoch, seq, trace_id, parents, max_parents, /))]
#[allow(clippy::too_many_arguments)]
fn encode_link_set(
    py: Python<'_>,
    buffer: &Bound<'_, PyAny>,
    stream_id: u32,
    epoch: u64,
    seq: u64,
    trace_id: u64,
    parents: &Bound<'_, PyAny>,
    max_parents: usize,
) -> PyResult<isize> {
    let output = Output { stream_id, epoch, seq, trace_id };
    let mut few = [0; PARENTS_ON_STACK];
    let mut many = Vec::new();
    let count = if let Ok(tuple) = parents.cast::<PyTuple>() {
        tuple.len()
    } else if let Ok(list) = parents.cast::<PyList>() {
        list.len()
    } else {
        return Ok(0);
    };
    if count > max_parents {
        return Ok(refuse(Fault::TooManyParents));
    }
    let parents: &[u64] = if count <= PARENTS_ON_STACK {
        for (room, parent) in few.iter_mut().zip(parents.try_iter()?) {
            *room = parent?.extract()?;
        }
        &few[..count]
    } else {
        for parent in parents.try_iter()? {
            many.push(parent?.extract()?);
        }
        &many
    };
    let buffer = PyBuffer::<u8>::get(buffer)?;
    let room = buffer.item_count();
    if room < size_of_set(parents.len()) {
        return Ok(0);
    }
    SCRATCH.with_borrow_mut(|scratch| {
        // A buffer is written whole or not at all: behind the set with zeros, not with older sets.
        scratch.clear();
        scratch.resize(room, 0);
        let put = |place: usize, part: &[u8]| {
            scratch[place..place + part.len()].copy_from_slice(part);
        };
        match encode(&output, parents, max_parents, put) {
            Ok(size) => {
                buffer.copy_from_slice(py, scratch)?;
                Ok(size.cast_signed())
            }
            Err(fault) => Ok(refuse(fault)),
        }
    })
}

fn refuse(fault: Fault) -> isize {
    -1 - fault as isize
}

/// Add what lineage uses to the module.
pub fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<TraceIdSequence>()?;
    module.add_function(wrap_pyfunction!(encode_link_set, module)?)?;
    module.add("LINK_SET_FAULTS", Fault::NAMES.to_vec())
}
