//! Requests that hold something of everything, written by hand.

use clew_native::SignalName;

pub const NOW: i64 = 1_780_000_000_000_000_000;

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

pub fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

pub fn fixed64(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3 | 1), value.to_le_bytes().to_vec()].concat()
}

fn double(field: u64, value: f64) -> Vec<u8> {
    fixed64(field, value.to_bits())
}

fn fixed32(field: u64, value: u32) -> Vec<u8> {
    [varint(field << 3 | 5), value.to_le_bytes().to_vec()].concat()
}

pub fn bytes(field: u64, bytes: &[u8]) -> Vec<u8> {
    [varint(field << 3 | 2), varint(bytes.len() as u64), bytes.to_vec()].concat()
}

pub fn text(field: u64, text: &str) -> Vec<u8> {
    bytes(field, text.as_bytes())
}

pub fn message(field: u64, fields: &[Vec<u8>]) -> Vec<u8> {
    bytes(field, &fields.concat())
}

/// A key with an `AnyValue` that has these fields.
pub fn attribute(field: u64, key: &str, value: &[Vec<u8>]) -> Vec<u8> {
    message(field, &[text(1, key), message(2, value)])
}

/// Attributes of every type; `lossy` ones include what the columns lose as a whole.
fn attributes(field: u64, lossy: bool) -> Vec<u8> {
    let array =
        message(5, &[message(1, &[text(1, "a")]), message(1, &[number(3, 5)]), bytes(1, b"")]);
    let list = message(
        6,
        &[attribute(1, "k", &[double(4, 1.0)]), attribute(1, "l", std::slice::from_ref(&array))],
    );
    let mut out = [
        attribute(field, "service.name", &[text(1, "s\u{e9}rvice \"1\"")]),
        attribute(field, "bool", &[number(2, 1)]),
        attribute(field, "int", &[number(3, u64::MAX)]),
        attribute(field, "double", &[double(4, 1.5e-7)]),
        attribute(field, "array", &[array]),
        attribute(field, "list", &[list]),
        attribute(field, "bytes", &[bytes(7, b"\0\xff")]),
        attribute(field, "empty", &[]),
        message(field, &[text(1, "absent")]),
    ]
    .concat();
    if lossy {
        let nan = message(5, &[message(1, &[double(4, f64::NAN)])]);
        out.extend(attribute(field, "nan", &[nan]));
        out.extend(attribute(field, "int", &[number(3, 1)]));
    }
    out
}

/// Wrap records as every signal does: a resource, a scope, schema URLs.
fn envelope(records: &[Vec<u8>]) -> Vec<u8> {
    let entity = message(3, &[text(1, "url"), text(2, "host"), text(3, "id"), text(4, "d")]);
    let resource = message(1, &[attributes(1, false), number(2, 3), entity]);
    let scope = message(1, &[text(1, "scope"), text(2, "1.0"), attributes(3, true), number(4, 1)]);
    let mut scoped = vec![scope];
    scoped.extend(records.iter().map(|record| bytes(2, record)));
    scoped.push(text(3, "https://scope"));
    let again = message(1, &[attribute(1, "late", &[text(1, "merged")])]);
    message(1, &[resource, message(2, &scoped), text(3, "https://resource"), again])
}

fn span(lossy: bool) -> Vec<u8> {
    let start = NOW as u64;
    let event =
        message(11, &[fixed64(1, start), text(2, "event"), attributes(3, lossy), number(4, 2)]);
    let link = message(
        13,
        &[
            bytes(1, &[1; 16]),
            bytes(2, &[2; 8]),
            text(3, "st"),
            attributes(4, false),
            fixed32(6, 1),
        ],
    );
    [
        bytes(1, &[3; 16]),
        bytes(2, &[4; 8]),
        text(3, "a=b"),
        bytes(4, &[0; 8]),
        text(5, "name"),
        number(6, if lossy { 77 } else { 2 }),
        fixed64(7, start),
        fixed64(8, if lossy { start - 1 } else { start + 5 }),
        attributes(9, lossy),
        number(10, 1),
        event.clone(),
        bytes(11, b""),
        event,
        number(12, 2),
        link,
        number(14, 3),
        message(15, &[text(2, "no"), number(3, 2)]),
        fixed32(16, 0x101),
    ]
    .concat()
}

fn log(lossy: bool) -> Vec<u8> {
    let body = if lossy {
        message(5, &[message(5, &[bytes(1, &bytes(7, b"x"))])])
    } else {
        message(5, &[text(1, "hi")])
    };
    [
        fixed64(if lossy { 11 } else { 1 }, NOW as u64),
        number(2, if lossy { 300 } else { 9 }),
        text(3, "INFO"),
        body,
        attributes(6, lossy),
        number(7, 1),
        fixed32(8, if lossy { 0x301 } else { 1 }),
        bytes(9, &[if lossy { 0 } else { 1 }; 16]),
        bytes(10, &[if lossy { 0 } else { 1 }; 8]),
        text(12, "event.name"),
    ]
    .concat()
}

fn exemplar(field: u64) -> Vec<u8> {
    let fields = [
        attributes(7, false),
        fixed64(2, NOW as u64),
        fixed64(6, 1 << 60),
        bytes(4, b"12345678"),
        bytes(5, b"1"),
    ];
    message(field, &fields)
}

fn number_point(value: Vec<u8>) -> Vec<u8> {
    let times = [fixed64(2, 1), fixed64(3, NOW as u64)].concat();
    message(1, &[attributes(7, false), times, value, exemplar(5), number(8, 1)])
}

fn metrics() -> Vec<Vec<u8>> {
    let times = [fixed64(2, 1), fixed64(3, NOW as u64)].concat();
    let packed = |field, values: &[u64]| {
        bytes(field, &values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
    };
    let gauge = message(5, &[number_point(double(4, 0.5)), number_point(Vec::new())]);
    let sum = message(7, &[number_point(fixed64(6, 1 << 54)), number(2, 2), number(3, 1)]);
    let histogram_point = [
        attributes(9, true),
        times.clone(),
        fixed64(4, 3),
        double(5, 1.0),
        packed(6, &[1, 2]),
        fixed64(6, 3),
        packed(7, &[0, 1]),
        exemplar(8),
        double(12, 2.0),
    ];
    let histogram = message(9, &[message(1, &histogram_point), number(2, 1)]);
    let buckets = |field| message(field, &[number(1, 3), bytes(2, &[1, 0x80, 1]), number(2, 9)]);
    let exponential_point = [
        attributes(1, false),
        times.clone(),
        fixed64(4, 3),
        number(6, 5),
        fixed64(7, 1),
        buckets(8),
        buckets(9),
        buckets(8),
        exemplar(11),
        double(14, 0.25),
    ];
    let exponential = message(10, &[message(1, &exponential_point), number(2, 2)]);
    let quantile = message(6, &[double(1, 0.5), double(2, 7.0)]);
    let summary_point =
        [attributes(7, false), times, fixed64(4, 1), double(5, 2.0), quantile, number(8, 1)];
    let summary = message(11, &[message(1, &summary_point)]);
    let metric = |data: Vec<u8>| {
        [text(1, "metric"), text(2, "about"), text(3, "s"), data, attributes(12, true)].concat()
    };
    let displaced = [summary.clone(), gauge.clone()].concat();
    [gauge, sum, histogram, exponential, summary, displaced].into_iter().map(metric).collect()
}

/// Return a request of a signal whose records are all kept.
pub fn request(signal: SignalName) -> Vec<u8> {
    match signal {
        SignalName::Traces => envelope(&[span(false), span(true)]),
        SignalName::Logs => envelope(&[log(false), log(true)]),
        SignalName::Metrics => envelope(&metrics()),
    }
}
