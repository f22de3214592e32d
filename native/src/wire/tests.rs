//! The edges of the wire format.

use super::*;

fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut reader = Reader::new(bytes);
    let value = reader.varint().ok()?;
    Some((value, bytes.len() - reader.rest.len()))
}

#[test]
fn a_varint_has_at_most_ten_bytes_and_keeps_64_bits() {
    assert_eq!(varint(&[0]), Some((0, 1)));
    assert_eq!(varint(&[0x7f]), Some((127, 1)));
    assert_eq!(varint(&[0x80, 0x01]), Some((128, 2)));
    assert_eq!(varint(&[0x80, 0x00]), Some((0, 2)));
    let all_ones = [0xff; 9];
    assert_eq!(varint(&[&all_ones[..], &[0x01]].concat()), Some((u64::MAX, 10)));
    // What does not fit into 64 bits is dropped, as the protobuf library does.
    assert_eq!(varint(&[&all_ones[..], &[0x7f]].concat()), Some((u64::MAX, 10)));
    assert_eq!(varint(&[&[0x80; 9][..], &[0x02]].concat()), Some((0, 10)));
    assert_eq!(varint(&[&[0xff; 10][..], &[0x01]].concat()), None);
    assert_eq!(varint(&[]), None);
    assert_eq!(varint(&[0x80]), None);
}

#[test]
fn a_tag_or_length_has_at_most_five_bytes_and_32_bits() {
    let tag = |bytes: &[u8]| Reader::new(bytes).tag().ok().flatten();
    assert_eq!(tag(&[0x0a]), Some(0x0a));
    assert_eq!(tag(&[0x8a, 0x80, 0x80, 0x80, 0x00]), Some(0x0a));
    assert_eq!(tag(&[0x8a, 0x80, 0x80, 0x80, 0x80, 0x00]), None);
    assert_eq!(tag(&[0xfa, 0xff, 0xff, 0xff, 0x0f]), Some(0xffff_fffa));
    assert_eq!(tag(&[0xfa, 0xff, 0xff, 0xff, 0x1f]), None);
    let bytes = |bytes: &'static [u8]| Reader::new(bytes).bytes().ok();
    assert_eq!(bytes(&[0x80, 0x80, 0x80, 0x80, 0x00]), Some(&[][..]));
    assert_eq!(bytes(&[0x80, 0x80, 0x80, 0x80, 0x80, 0x00]), None);
    assert_eq!(bytes(&[0xff, 0xff, 0xff, 0xff, 0x0f]), None);
    assert_eq!(bytes(&[0x02, 1]), None);
}

fn skips(bytes: &[u8], nesting: u32) -> bool {
    let mut reader = Reader::new(bytes);
    let tag = reader.tag().unwrap().unwrap();
    reader.skip(tag, nesting).is_ok() && reader.is_empty()
}

#[test]
fn unknown_fields_are_passed_over_and_wrong_ones_refused() {
    assert!(skips(&[0x78, 0x05], 0));
    assert!(skips(&[0x79, 1, 2, 3, 4, 5, 6, 7, 8], 0));
    assert!(skips(&[0x7a, 2, 0xff, 0xff], 0));
    assert!(skips(&[0x7d, 1, 2, 3, 4], 0));
    assert!(skips(&[0x7b, 0x0a, 1, 0, 0x7c], 0));
    assert!(!skips(&[0x00, 0x05], 0), "field number 0");
    assert!(!skips(&[0x7c], 0), "the end of a group that never began");
    assert!(!skips(&[0x7b, 0x74], 0), "the end of another group");
    assert!(!skips(&[0x7b], 0), "a group without an end");
    assert!(!skips(&[0x7e], 0), "wire type 6");
    assert!(!skips(&[0x7f], 0), "wire type 7");
    assert!(!skips(&[0x7d, 1, 2, 3], 0), "a value cut short");
}

#[test]
fn groups_nest_as_deep_as_messages_may() {
    let groups = |depth: usize| [vec![0x7b; depth], vec![0x7c; depth]].concat();
    assert!(skips(&groups(100), 0));
    assert!(!skips(&groups(101), 0));
    assert!(skips(&groups(97), 3));
    assert!(!skips(&groups(98), 3));
    assert!(!skips(&groups(1_000_000), 0));
}

#[test]
fn text_of_any_length_is_checked() {
    for length in 0..40 {
        let ascii = vec![b'a'; length];
        assert!(check_text(&ascii).is_ok());
        for at in 0..length {
            let mut wrong = ascii.clone();
            wrong[at] = 0xff;
            assert!(check_text(&wrong).is_err());
            let mut other = ascii.clone();
            other[at] = b'b';
            assert!(!is_same_text(&ascii, &other));
        }
        assert!(is_same_text(&ascii, &ascii.clone()));
        assert!(!is_same_text(&ascii, &[&ascii[..], b"a"].concat()));
    }
    assert!(check_text("日本語".as_bytes()).is_ok());
    assert!(check_text(b"\xed\xa0\x80").is_err(), "a surrogate");
}

#[test]
fn the_length_of_a_message_is_put_before_it() {
    let mut out = Vec::new();
    put_message(&mut out, 1, |out| {
        out.extend([7; 200]);
        Ok(())
    })
    .unwrap();
    assert_eq!(out[..3], [0x0a, 0xc8, 0x01]);
    assert_eq!(out.len(), 203);
}
