//! The Python module: `OtlpDecoder` over [`Decoder`], and batches through Arrow's C data interface.

use arrow_array::ffi::to_ffi;
use arrow_array::{Array, StructArray};
use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict};

use crate::context::{Call, Outcome, Reason};
use crate::decoder::{Bounds, Decoder, SignalName};
use crate::wire::Error;

/// Letting other threads run costs more than decoding a small body, and may cost a wait to come
/// back.
const DETACH_BYTES_MIN: usize = 64 * 1024;

create_exception!(clew_native, MalformedError, PyValueError, "The bytes are not a request.");
create_exception!(
    clew_native,
    TooHeavyError,
    PyValueError,
    "The rows of the request would take more than one request may; taking those held does not help."
);
create_exception!(
    clew_native,
    CapacityError,
    PyValueError,
    "The rows do not fit beside those held; take those first, and refuse the request if there are none."
);

fn raise(error: Error) -> PyErr {
    match error {
        Error::Malformed(_) => MalformedError::new_err(error.to_string()),
        Error::TooHeavy => TooHeavyError::new_err(error.to_string()),
        Error::Capacity => CapacityError::new_err(error.to_string()),
    }
}

/// Collects rows from OTLP requests of one signal until they are taken as Arrow batches.
///
/// Not for use by two threads at once.
#[pyclass(module = "clew_native")]
struct OtlpDecoder {
    decoder: Decoder,
}

#[pymethods]
impl OtlpDecoder {
    /// Create a decoder for "traces", "logs" or "metrics".
    ///
    /// One request may weigh `weight_max` bytes; those whose rows are held may take
    /// `held_bytes_max`.
    #[new]
    #[pyo3(signature = (signal, *, weight_max, held_bytes_max))]
    fn new(signal: &str, weight_max: usize, held_bytes_max: usize) -> PyResult<Self> {
        let bounds = Bounds { weight_max, held_bytes_max };
        match SignalName::parse(signal) {
            Some(signal) => Ok(OtlpDecoder { decoder: Decoder::new(signal, bounds) }),
            None => Err(PyValueError::new_err(format!("unknown signal: {signal}"))),
        }
    }

    /// Decode one request and keep its rows, all of them carrying `frame`.
    ///
    /// Returns how many rows were kept and how many refused, by reason. Times are Unix nanoseconds.
    /// Keeps nothing when it raises.
    fn append<'py>(
        &mut self,
        py: Python<'py>,
        body: &Bound<'py, PyBytes>,
        frame: u64,
        received: i64,
        oldest: i64,
    ) -> PyResult<(u64, Bound<'py, PyDict>)> {
        let body = body.as_bytes();
        let call = Call { frame, received, oldest };
        let decoder = &mut self.decoder;
        let outcome = if body.len() < DETACH_BYTES_MIN {
            decoder.append(body, &call)
        } else {
            py.detach(|| decoder.append(body, &call))
        };
        let outcome = outcome.map_err(raise)?;
        Ok((outcome.accepted, refused(py, &outcome)?))
    }

    /// Return how many rows are held, over all tables.
    fn rows(&mut self) -> usize {
        self.decoder.rows()
    }

    /// Take all rows held: table name to a batch for `pyarrow.record_batch`.
    fn finish<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let batches = PyDict::new(py);
        let decoder = &mut self.decoder;
        for (name, rows) in py.detach(|| decoder.finish()) {
            batches.set_item(name, Batch { rows })?;
        }
        Ok(batches)
    }
}

fn refused<'py>(py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyDict>> {
    let refused = PyDict::new(py);
    for (name, count) in Reason::NAMES.iter().zip(outcome.refused) {
        if count > 0 {
            refused.set_item(*name, count)?;
        }
    }
    Ok(refused)
}

/// The rows of one table, for any reader of Arrow's C data interface.
#[pyclass(module = "clew_native", frozen)]
struct Batch {
    rows: StructArray,
}

#[pymethods]
impl Batch {
    /// Return the schema and array capsules; the rows are shared, not copied.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        // The protocol lets a producer give its own types when it cannot cast, and we never cast.
        drop(requested_schema);
        let (array, schema) = to_ffi(&self.rows.to_data())
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        let schema = PyCapsule::new_with_value(py, schema, c"arrow_schema")?;
        let array = PyCapsule::new_with_value(py, array, c"arrow_array")?;
        Ok((schema, array))
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }
}

#[pymodule]
fn clew_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("MalformedError", module.py().get_type::<MalformedError>())?;
    module.add("TooHeavyError", module.py().get_type::<TooHeavyError>())?;
    module.add("CapacityError", module.py().get_type::<CapacityError>())?;
    module.add_class::<OtlpDecoder>()?;
    module.add_class::<Batch>()?;
    crate::python_lineage::add_to(module)
}
