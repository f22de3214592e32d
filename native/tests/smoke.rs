//! Damaged requests, the same ones each time: what the fuzz target does without end, for a few
//! seconds.

mod promise;

use promise::{CALL, SIGNALS, WIDE, check, decode_good, sample};

use arrow_array::Array;
use clew_native::{Decoder, Error, SignalName};

const MUTATIONS: usize = 1500;

/// A small generator whose sequence is fixed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % sides
    }
}

fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    const TELLING: [u8; 10] = [0, 1, 0x0a, 0x12, 0x7f, 0x80, 0xff, 0x0b, 0x0c, 0x08];
    let at = dice.roll(bytes.len());
    match dice.roll(7) {
        0 => bytes[at] = dice.roll(256) as u8,
        1 => bytes[at] = TELLING[dice.roll(TELLING.len())],
        2 => bytes[at] = bytes[at].wrapping_add(1),
        3 => bytes[at] ^= 1 << dice.roll(8),
        4 => bytes.truncate(at + 1),
        5 => bytes.insert(at, TELLING[dice.roll(TELLING.len())]),
        _ => {
            let end = at + dice.roll(bytes.len() - at).min(40);
            let piece = bytes[at..end].to_vec();
            let to = dice.roll(bytes.len());
            bytes.splice(to..to, piece);
        }
    }
}

#[test]
fn damaged_requests_are_rows_or_nothing() {
    let mut dice = Dice(1);
    for signal in SIGNALS {
        let good = sample::request(signal);
        for _ in 0..MUTATIONS {
            let mut bytes = good.clone();
            for _ in 0..=dice.roll(3) {
                damage(&mut bytes, &mut dice);
            }
            check(signal, &bytes);
        }
    }
}

#[test]
fn every_beginning_of_a_request_is_rows_or_nothing() {
    for signal in SIGNALS {
        let good = sample::request(signal);
        for end in (0..good.len()).step_by(7) {
            check(signal, &good[..end]);
        }
    }
}

#[test]
fn a_good_request_keeps_all_its_records() {
    for signal in SIGNALS {
        let good = sample::request(signal);
        let outcome = Decoder::new(signal, WIDE).append(&good, &CALL).unwrap();
        assert!(outcome.accepted > 0);
        assert_eq!(outcome.refused, [0; 6]);
        check(signal, &good);
    }
}

#[test]
fn a_malformed_request_takes_its_dictionary_entries_with_it() {
    for signal in SIGNALS {
        let good = sample::request(signal);
        let mut decoder = Decoder::new(signal, WIDE);
        // All of the rows are there when the last byte turns out to be wrong.
        let malformed = [good.as_slice(), b"\x07"].concat();
        assert!(matches!(decoder.append(&malformed, &CALL), Err(Error::Malformed(_))));
        assert_eq!(decoder.rows(), 0);
        assert!(decoder.finish().is_empty());
        decoder.append(&good, &CALL).unwrap();
        let debug = |batches: Vec<(&'static str, _)>| format!("{batches:?}");
        // The debug text shows dictionaries as they are, so an orphaned entry would show.
        assert_eq!(debug(decoder.finish()), debug(decode_good(signal, &[&good])));
    }
}

#[test]
fn shapes_that_a_client_invents_without_end_change_nothing() {
    let signal = SignalName::Logs;
    let mut records = Vec::new();
    for n in 0..70_000 {
        let attribute = sample::attribute(6, &format!("key {n}"), &[vec![0x18, 1]]);
        records.extend(sample::message(2, &[vec![0x5a, 0], attribute]));
    }
    let body = sample::message(1, &[sample::bytes(2, &records)]);
    let batches = decode_good(signal, &[&body]);
    assert_eq!(batches[0].1.len(), 70_000);
}
