//! Values as text and as canonical protobuf.

use super::*;

/// Return a value's text, what it was, and its canonical bytes.
fn read(parts: &[&[u8]]) -> Result<(String, Kind, Vec<u8>)> {
    let mut text = Vec::new();
    let mut limits = Limits::default();
    let kind = push_any_value(&mut text, parts, 4, &mut limits)?;
    let mut canonical = Vec::new();
    put_any_value(&mut canonical, parts)?;
    assert_eq!(limits, Limits::default());
    if let [value] = parts {
        let mut quickly = Vec::new();
        assert_eq!(push_value(&mut quickly, value, 4, &mut limits)?, kind);
        assert_eq!(quickly, text);
    }
    Ok((String::from_utf8(text).unwrap(), kind, canonical))
}

fn text_of(value: &[u8]) -> (String, Kind) {
    let (text, kind, _) = read(&[value]).unwrap();
    (text, kind)
}

/// An array of `depth - 1` arrays around nothing.
fn nested(depth: usize) -> Vec<u8> {
    let mut value = Vec::new();
    for _ in 1..depth {
        let mut array = Vec::new();
        put_bytes(&mut array, 1, &value);
        value.clear();
        put_bytes(&mut value, 5, &array);
    }
    value
}

#[test]
fn every_type_has_its_text() {
    assert_eq!(text_of(b"\x0a\x02hi"), ("hi".into(), Kind::Text));
    assert_eq!(text_of(b"\x10\x01"), ("true".into(), Kind::Bool));
    assert_eq!(text_of(b"\x10\x80\x02"), ("true".into(), Kind::Bool));
    assert_eq!(text_of(b"\x10\x00"), ("false".into(), Kind::Bool));
    assert_eq!(text_of(b"\x18\x05"), ("5".into(), Kind::Int));
    assert_eq!(text_of(b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), ("-1".into(), Kind::Int));
    assert_eq!(text_of(b"\x21\0\0\0\0\0\0\xf0\x3f"), ("1".into(), Kind::Double));
    assert_eq!(text_of(b"\x3a\x01f"), ("Zg==".into(), Kind::Bytes));
    assert_eq!(text_of(b"\x2a\x00"), ("[]".into(), Kind::Nested));
    assert_eq!(text_of(b"\x32\x00"), ("{}".into(), Kind::Nested));
    assert_eq!(text_of(b""), (String::new(), Kind::Empty));
}

#[test]
fn nested_values_are_json_that_keeps_types_apart() {
    let array = b"\x2a\x1c\x0a\x02\x18\x01\x0a\x09\x21\0\0\0\0\0\0\xf0\x3f\x0a\x03\x0a\x01\x22\x0a\x02\x10\x01\x0a\x00\x0a\x00";
    assert_eq!(text_of(array), ("[1,1.0,\"\\\"\",true,null,null]".into(), Kind::Nested));
    let list = b"\x32\x0a\x0a\x08\x0a\x01k\x12\x03\x0a\x01v";
    assert_eq!(text_of(list), ("{\"k\":\"v\"}".into(), Kind::Nested));
}

#[test]
fn what_json_cannot_give_back_is_irreversible() {
    assert_eq!(text_of(b"\x2a\x05\x0a\x03\x3a\x01f"), ("[\"Zg==\"]".into(), Kind::Irreversible));
    let nan = b"\x2a\x0b\x0a\x09\x21\0\0\0\0\0\0\xf8\x7f";
    assert_eq!(text_of(nan), ("[\"NaN\"]".into(), Kind::Irreversible));
    let absent = b"\x32\x05\x0a\x03\x0a\x01k";
    assert_eq!(text_of(absent), ("{\"k\":null}".into(), Kind::Irreversible));
    let empty = b"\x32\x07\x0a\x05\x0a\x01k\x12\x00";
    assert_eq!(text_of(empty), ("{\"k\":null}".into(), Kind::Nested));
    let repeated = b"\x32\x0e\x0a\x05\x0a\x01k\x12\x00\x0a\x05\x0a\x01k\x12\x00";
    assert_eq!(text_of(repeated), ("{\"k\":null,\"k\":null}".into(), Kind::Irreversible));
}

#[test]
fn many_keys_are_searched_for_a_repeated_one_too() {
    let keys: Vec<String> = (0..40).map(|n| format!("k{n}")).collect();
    let mut bytes: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
    assert!(!has_repeated_key(&mut bytes.clone()));
    bytes.push(b"k3");
    assert!(has_repeated_key(&mut bytes));
}

#[test]
fn the_last_case_wins_and_pieces_of_one_case_are_joined() {
    assert_eq!(text_of(b"\x0a\x01a\x18\x05"), ("5".into(), Kind::Int));
    let joined = b"\x2a\x04\x0a\x02\x18\x01\x2a\x04\x0a\x02\x18\x02";
    assert_eq!(read(&[joined]).unwrap().0, "[1,2]");
    assert_eq!(
        read(&[b"\x2a\x04\x0a\x02\x18\x01", b"\x2a\x04\x0a\x02\x18\x02"]).unwrap().0,
        "[1,2]"
    );
    let interrupted = b"\x2a\x04\x0a\x02\x18\x01\x0a\x01a\x2a\x04\x0a\x02\x18\x02";
    assert_eq!(read(&[interrupted]).unwrap().0, "[2]");
    let (_, _, canonical) = read(&[joined]).unwrap();
    assert_eq!(canonical, b"\x2a\x08\x0a\x02\x18\x01\x0a\x02\x18\x02");
}

#[test]
fn a_displaced_value_still_has_to_parse() {
    assert!(read(&[b"\x0a\x01\xff\x18\x05"]).is_err());
    assert!(read(&[b"\x2a\x02\x0a\x05\x18\x05"]).is_err());
    assert!(read(&[b"\x2a\x05\x0a\x03\x0a\x01\xff\x18\x05"]).is_err());
}

#[test]
fn profile_fields_are_unknown() {
    assert_eq!(text_of(b"\x0a\x01a\x40\x05"), ("a".into(), Kind::Text));
    let mut canonical = Vec::new();
    put_key_value(&mut canonical, b"\x0a\x01k\x18\x05\x12\x05\x0a\x01a\x40\x05").unwrap();
    assert_eq!(canonical, b"\x0a\x08\x0a\x01k\x12\x03\x0a\x01a");
}

#[test]
fn depth_is_limited_and_beyond_the_library_s_limit_malformed() {
    let limits_at = |depth| {
        let mut limits = Limits::default();
        push_value(&mut Vec::new(), &nested(depth), 5, &mut limits).map(|_| limits.depth)
    };
    assert_eq!(limits_at(24), Ok(false));
    assert_eq!(limits_at(25), Ok(true));
    assert_eq!(limits_at(48), Ok(true));
    assert!(limits_at(49).is_err());
    assert!(limits_at(5000).is_err());
}

#[test]
fn long_lists_are_counted_wherever_they_are() {
    let list = |entries: usize, case: u32| {
        let mut value = Vec::new();
        put_bytes(&mut value, case, &b"\x0a\x00".repeat(entries));
        value
    };
    for (value, expected) in [
        (list(1024, 5), false),
        (list(1025, 5), true),
        (list(1024, 6), false),
        (list(1025, 6), true),
    ] {
        let mut limits = Limits::default();
        push_value(&mut Vec::new(), &value, 5, &mut limits).unwrap();
        assert_eq!(limits, Limits { count: expected, depth: false });
    }
}
