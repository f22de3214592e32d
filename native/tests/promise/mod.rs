//! What holds for every input: shared by the smoke test and the fuzz target.

pub mod sample;

use std::sync::OnceLock;

use arrow_array::{Array, StructArray};
use clew_native::{Bounds, Call, Decoder, Error, Outcome, SignalName};

pub const SIGNALS: [SignalName; 3] = [SignalName::Traces, SignalName::Logs, SignalName::Metrics];

pub const CALL: Call = Call { frame: 7, received: sample::NOW, oldest: 0 };

/// More than the requests here take.
pub const WIDE: Bounds = Bounds { weight_max: 1 << 28, held_bytes_max: 1 << 30 };

/// So little that some of the requests here are too heavy.
const NARROW: Bounds = Bounds { weight_max: 2000, ..WIDE };

type Batches = Vec<(&'static str, StructArray)>;

/// Take the rows, after checking that the batches are valid and hold as many rows as were accepted.
pub fn finish(decoder: &mut Decoder, accepted: u64) -> Batches {
    assert_eq!(decoder.rows() as u64, accepted);
    let batches = decoder.finish();
    let rows: usize = batches.iter().map(|(_, rows)| rows.len()).sum();
    assert_eq!(rows as u64, accepted);
    for (_, rows) in &batches {
        rows.to_data().validate_full().expect("a valid batch");
        assert!(!rows.is_empty());
    }
    assert_eq!(decoder.rows(), 0);
    batches
}

/// Decode requests that are known to be good.
pub fn decode_good(signal: SignalName, bodies: &[&[u8]]) -> Batches {
    let mut decoder = Decoder::new(signal, WIDE);
    let mut accepted = 0;
    for body in bodies {
        accepted += decoder.append(body, &CALL).expect("a good request").accepted;
    }
    finish(&mut decoder, accepted)
}

/// A good request of a signal, and what two of them give.
struct Good {
    request: Vec<u8>,
    twice: Batches,
}

/// Return the good request of a signal, made once: checks run by the thousand.
fn good(signal: SignalName) -> &'static Good {
    static GOOD: [OnceLock<Good>; 3] = [OnceLock::new(), OnceLock::new(), OnceLock::new()];
    GOOD[signal as usize].get_or_init(|| {
        let request = sample::request(signal);
        let twice = decode_good(signal, &[&request, &request]);
        Good { request, twice }
    })
}

/// Check that any bytes are either rows or nothing at all.
pub fn check(signal: SignalName, bytes: &[u8]) {
    let Good { request: good, twice } = good(signal);
    let mut decoder = Decoder::new(signal, WIDE);
    let before = decoder.append(good, &CALL).expect("a good request");
    let outcome = decoder.append(bytes, &CALL);
    let after = decoder.append(good, &CALL).expect("a good request");
    let accepted = before.accepted + after.accepted + outcome.map_or(0, |outcome| outcome.accepted);
    let batches = finish(&mut decoder, accepted);
    match outcome {
        Err(Error::Malformed(_)) => {
            assert_eq!(batches, *twice, "a malformed request left something behind");
        }
        Err(Error::Capacity | Error::TooHeavy) => panic!("a small request cannot fill a decoder"),
        Ok(outcome) => check_rows(signal, &mut decoder, bytes, outcome),
    }
    check_heavy(signal, bytes, outcome);
}

/// Check that how heavy a request may be changes nothing but whether it is taken.
fn check_heavy(signal: SignalName, bytes: &[u8], light: Result<Outcome, Error>) {
    let mut decoder = Decoder::new(signal, NARROW);
    let outcome = decoder.append(bytes, &CALL);
    if outcome == Err(Error::TooHeavy) {
        assert!(light.is_ok(), "a malformed request is malformed whatever it weighs");
        assert!(finish(&mut decoder, 0).is_empty());
    } else {
        assert_eq!(outcome, light);
    }
}

/// Check a request that parses: its rows depend on its bytes alone, and joined requests are one.
fn check_rows(signal: SignalName, used: &mut Decoder, bytes: &[u8], outcome: Outcome) {
    assert_eq!(used.append(bytes, &CALL), Ok(outcome));
    let alone = finish(used, outcome.accepted);
    assert_eq!(alone, decode_good(signal, &[bytes]), "an emptied decoder is not like a new one");

    let joined = [bytes, bytes].concat();
    assert_eq!(decode_good(signal, &[&joined]), decode_good(signal, &[bytes, bytes]));
}
