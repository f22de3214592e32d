//! What a request weighs, and that one that is too heavy is refused whole and before it costs much.

#[expect(dead_code, reason = "the other tests use the rest of it")]
mod promise;

use promise::sample::{attribute, bytes, fixed64, message, number, text};
use promise::{CALL, SIGNALS, WIDE, finish, sample};

use clew_native::{Bounds, Decoder, Error, Outcome, SignalName};

const LOG: &[u8] = b"";

fn decoder(signal: SignalName, weight_max: usize) -> Decoder {
    Decoder::new(signal, Bounds { weight_max, ..WIDE })
}

fn append(signal: SignalName, weight_max: usize, body: &[u8]) -> Result<Outcome, Error> {
    decoder(signal, weight_max).append(body, &CALL)
}

/// Check that a request weighs exactly this.
fn assert_weighs(signal: SignalName, body: &[u8], weight: usize) {
    assert!(append(signal, weight, body).is_ok(), "it weighs more than {weight}");
    assert_eq!(append(signal, weight - 1, body), Err(Error::TooHeavy));
}

fn resource(text_bytes: usize) -> Vec<u8> {
    message(1, &[attribute(1, "k", &[text(1, &"x".repeat(text_bytes))])])
}

fn scope(records: &[&[u8]]) -> Vec<u8> {
    let records: Vec<_> = records.iter().map(|record| bytes(2, record)).collect();
    message(2, &records)
}

#[test]
fn every_row_weighs_what_it_repeats() {
    // An attribute is its text and 8; a scope weighs that once, and each of two rows 200 more.
    let body = message(1, &[resource(1000), scope(&[LOG, LOG])]);
    assert_weighs(SignalName::Logs, &body, 1008 + 2 * 1208);
}

#[test]
fn all_that_rows_repeat_is_weighed() {
    let named = message(1, &[text(1, "name"), text(2, "1.0"), attribute(3, "n", &[number(3, 7)])]);
    let scope = message(2, &[named, bytes(2, LOG), text(3, "scope url")]);
    let body = message(1, &[resource(10), scope, text(3, "resource url")]);
    let residue = r#""scope":{"i":["n"]}"#.len();
    let repeated = 18 + 4 + 3 + 9 + 9 + 12 + residue;
    assert_weighs(SignalName::Logs, &body, repeated + 200 + repeated);
}

#[test]
fn events_links_and_exemplars_weigh_even_where_their_record_is_refused() {
    let span = [bytes(11, b""), bytes(11, b""), bytes(13, b"")].concat();
    assert_weighs(SignalName::Traces, &message(1, &[scope(&[&span])]), 200 + 3 * 100);
    let point = message(1, &[bytes(5, b""), fixed64(3, sample::NOW as u64)]);
    let metric = [text(2, "description"), text(3, "unit"), bytes(5, &point)].concat();
    assert_weighs(SignalName::Metrics, &message(1, &[scope(&[&metric])]), 200 + 100 + 15);
}

#[test]
fn what_a_later_kind_of_data_displaces_weighs_nothing() {
    let points = [message(1, &[bytes(5, b"")]), message(1, &[])].concat();
    let metric = [bytes(5, &points), bytes(7, &points), bytes(5, &message(1, &[]))].concat();
    assert_weighs(SignalName::Metrics, &message(1, &[scope(&[&metric])]), 200);
}

#[test]
fn rows_that_are_refused_with_their_resource_repeat_nothing() {
    let wide = attribute(1, "k", &[text(1, "x")]).repeat(1025);
    let body = message(1, &[bytes(1, &wide), scope(&[LOG, LOG, LOG])]);
    assert_weighs(SignalName::Logs, &body, 3 * 200);
}

#[test]
fn a_request_that_is_too_heavy_is_malformed_first_of_all() {
    let heavy = message(1, &[resource(1000), scope(&[LOG])]);
    let malformed = [heavy.as_slice(), b"\x07"].concat();
    assert_eq!(append(SignalName::Logs, 1000, &heavy), Err(Error::TooHeavy));
    assert!(matches!(append(SignalName::Logs, 1000, &malformed), Err(Error::Malformed(_))));
}

#[test]
fn the_weight_of_a_request_does_not_depend_on_what_is_held() {
    let body = message(1, &[resource(1000), scope(&[LOG])]);
    let heavier = message(1, &[resource(1001), scope(&[LOG])]);
    let mut decoder = decoder(SignalName::Logs, 1008 + 1208);
    for _ in 0..20 {
        assert!(decoder.append(&body, &CALL).is_ok());
        assert_eq!(decoder.append(&heavier, &CALL), Err(Error::TooHeavy));
    }
    finish(&mut decoder, 20);
}

#[test]
fn what_does_not_fit_beside_the_rows_held_fits_when_they_are_taken() {
    let body = message(1, &[resource(1000), scope(&[LOG])]);
    let held = 1008 + 1208 + body.len();
    let bounds = Bounds { held_bytes_max: 2 * held, ..WIDE };
    let mut decoder = Decoder::new(SignalName::Logs, bounds);
    for _ in 0..3 {
        assert!(decoder.append(&body, &CALL).is_ok());
        assert!(decoder.append(&body, &CALL).is_ok());
        assert_eq!(decoder.append(&body, &CALL), Err(Error::Capacity));
        finish(&mut decoder, 2);
    }
}

#[test]
fn a_large_resource_over_many_scopes_and_metrics_without_rows_is_refused_or_cheap() {
    for signal in SIGNALS {
        let scopes = scope(&[]).repeat(100_000);
        let body = message(1, &[resource(300_000), scopes]);
        assert_eq!(append(signal, WIDE.weight_max, &body), Err(Error::TooHeavy));
    }
    // Metrics without points make nothing of their resource, so they weigh nothing.
    let metrics = vec![&b""[..]; 100_000];
    let body = message(1, &[resource(300_000), scope(&metrics)]);
    assert_eq!(append(SignalName::Metrics, WIDE.weight_max, &body), Ok(Outcome::default()));
}
