//! Numbers and bytes as text.
//!
//! A double is written as ECMAScript's `Number::toString` writes it: the shortest digits that read
//! back as the same double (the zmij crate finds them), laid out plainly between 1e-6 and 1e21 and
//! with an exponent outside. Minus zero keeps its sign, which ECMAScript drops: the text must tell
//! all doubles apart.

/// Integers below this are exact doubles, and their shortest digits are their decimal digits.
const EXACT_INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// ECMAScript writes exponents below this (decimal point position from the first digit) plainly.
const PLAIN_EXPONENT_MAX: i32 = 21;

/// ... and those above this, as `0.000001`.
const PLAIN_EXPONENT_MIN: i32 = -7;

/// Append an integer in decimal.
#[inline(always)]
pub fn push_integer(out: &mut Vec<u8>, value: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Append a double as ECMAScript writes it, and `-0` for minus zero.
#[inline]
pub fn push_double(out: &mut Vec<u8>, value: f64) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else if value == 0.0 {
        out.extend_from_slice(if value.is_sign_negative() { b"-0" } else { b"0" });
    } else if value.abs() < EXACT_INTEGER_MAX && value as i64 as f64 == value {
        push_integer(out, value as i64);
    } else {
        push_shortest(out, value);
    }
}

fn push_shortest(out: &mut Vec<u8>, value: f64) {
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(value).as_bytes();
    let Some(e) = text.iter().position(|byte| *byte == b'e') else {
        // Without an exponent zmij's layout differs in one thing: it marks whole numbers.
        out.extend_from_slice(text.strip_suffix(b".0").unwrap_or(text));
        return;
    };
    let mantissa = match text[0] {
        b'-' => {
            out.push(b'-');
            &text[1..e]
        }
        _ => &text[..e],
    };
    let exponent = parse_exponent(&text[e + 1..]);
    push_with_exponent(out, mantissa, exponent);
}

/// Lay out `d.ddd` times ten to the `exponent`.
fn push_with_exponent(out: &mut Vec<u8>, mantissa: &[u8], exponent: i32) {
    let digits = || mantissa.iter().copied().filter(|byte| *byte != b'.');
    if PLAIN_EXPONENT_MIN < exponent && exponent < 0 {
        out.extend_from_slice(b"0.");
        out.extend((1..-exponent).map(|_| b'0'));
        out.extend(digits());
    } else if (0..PLAIN_EXPONENT_MAX).contains(&exponent) {
        // zmij writes an exponent only when all digits are before the point.
        let whole = exponent as usize + 1;
        let count = digits().count();
        out.extend(digits());
        out.extend((count..whole).map(|_| b'0'));
    } else {
        out.extend_from_slice(mantissa);
        out.extend_from_slice(if exponent < 0 { b"e" } else { b"e+" });
        push_integer(out, exponent);
    }
}

fn parse_exponent(text: &[u8]) -> i32 {
    let (sign, digits) = match text {
        [b'-', rest @ ..] => (-1, rest),
        [b'+', rest @ ..] => (1, rest),
        _ => (1, text),
    };
    sign * digits.iter().fold(0, |sum, digit| sum * 10 + i32::from(digit - b'0'))
}

/// Append a double inside JSON: a whole number keeps a mark that tells it from an integer, and what
/// JSON cannot say becomes a string. Return whether it reads back as the same double.
pub fn push_json_double(out: &mut Vec<u8>, value: f64) -> bool {
    if !value.is_finite() {
        out.push(b'"');
        push_double(out, value);
        out.push(b'"');
        return false;
    }
    let start = out.len();
    push_double(out, value);
    if out[start..].iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
        out.extend_from_slice(b".0");
    }
    true
}

/// Append bytes as base64, standard alphabet, padded.
pub fn push_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextet = |bits: u32, shift: u32| ALPHABET[(bits >> shift & 63) as usize];
    let (whole, tail) = bytes.as_chunks::<3>();
    out.reserve(bytes.len().div_ceil(3) * 4);
    for [a, b, c] in whole {
        let bits = u32::from(*a) << 16 | u32::from(*b) << 8 | u32::from(*c);
        out.extend_from_slice(&[
            sextet(bits, 18),
            sextet(bits, 12),
            sextet(bits, 6),
            sextet(bits, 0),
        ]);
    }
    match tail {
        [a] => {
            let bits = u32::from(*a) << 16;
            out.extend_from_slice(&[sextet(bits, 18), sextet(bits, 12), b'=', b'=']);
        }
        [a, b] => {
            let bits = u32::from(*a) << 16 | u32::from(*b) << 8;
            out.extend_from_slice(&[sextet(bits, 18), sextet(bits, 12), sextet(bits, 6), b'=']);
        }
        _ => (),
    }
}

/// Append bytes as lower-case hex.
#[inline]
pub fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let (words, tail) = bytes.as_chunks::<4>();
    for word in words {
        out.extend_from_slice(&hex_of_word(*word));
    }
    for byte in tail {
        out.extend_from_slice(&hex_of_word([*byte, 0, 0, 0])[..2]);
    }
}

/// Return four bytes as hex, all eight digits at once: ids are in every row.
#[inline(always)]
fn hex_of_word(word: [u8; 4]) -> [u8; 8] {
    const LOW_NIBBLES: u64 = 0x000f_000f_000f_000f;
    let word = u64::from(u32::from_le_bytes(word));
    // One byte into each 16-bit lane, then its nibbles into the lane's bytes, the high one first.
    let pairs = (word & 0xffff_0000) << 16 | word & 0xffff;
    let bytes = (pairs & 0x0000_ff00_0000_ff00) << 8 | pairs & 0x0000_00ff_0000_00ff;
    let nibbles = bytes >> 4 & LOW_NIBBLES | (bytes & LOW_NIBBLES) << 8;
    // Adding 6 carries into the next bit exactly where a nibble is a letter.
    let is_letter = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    let digits = nibbles + 0x3030_3030_3030_3030 + is_letter * u64::from(b'a' - b'0' - 10);
    digits.to_le_bytes()
}

/// Append a JSON string: only `"`, `\` and the characters below U+0020 are escaped.
pub fn push_json_text(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let needs_escape = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    out.push(b'"');
    if !text.iter().fold(false, |any, byte| any | needs_escape(*byte)) {
        out.extend_from_slice(text);
        out.push(b'"');
        return;
    }
    let mut done = 0;
    for (i, byte) in text.iter().enumerate() {
        if !needs_escape(*byte) {
            continue;
        }
        out.extend_from_slice(&text[done..i]);
        done = i + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            _ => {
                let low = HEX[usize::from(byte & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', b'0' + (byte >> 4), low]);
            }
        }
    }
    out.extend_from_slice(&text[done..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        push_double(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    fn json_double(value: f64) -> String {
        let mut out = Vec::new();
        push_json_double(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn doubles_are_written_as_ecmascript_writes_them() {
        let cases: [(f64, &str); 34] = [
            (1.0, "1"),
            (-1.0, "-1"),
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (-0.1, "-0.1"),
            (1.5, "1.5"),
            (123456.789, "123456.789"),
            (100.0, "100"),
            (1e15, "1000000000000000"),
            (1e16, "10000000000000000"),
            (1e17, "100000000000000000"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (-1e21, "-1e+21"),
            (1.5e21, "1.5e+21"),
            (1.5e20, "150000000000000000000"),
            (123456789012345680000.0, "123456789012345680000"),
            (9007199254740991.0, "9007199254740991"),
            (9007199254740992.0, "9007199254740992"),
            (9007199254740994.0, "9007199254740994"),
            (-9007199254740993.0, "-9007199254740992"),
            (1e-5, "0.00001"),
            (1e-6, "0.000001"),
            (1.5e-6, "0.0000015"),
            (-1.25e-6, "-0.00000125"),
            (1e-7, "1e-7"),
            (1.5e-7, "1.5e-7"),
            (-1.5e-7, "-1.5e-7"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in cases {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn every_finite_double_reads_back() {
        let mut bits = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..100_000 {
            bits = bits.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let value = f64::from_bits(bits);
            if value.is_finite() {
                assert_eq!(double(value).parse::<f64>().unwrap().to_bits(), bits);
                assert_eq!(json_double(value).parse::<f64>().unwrap().to_bits(), bits);
            }
        }
    }

    #[test]
    fn a_double_in_json_cannot_be_taken_for_an_integer() {
        assert_eq!(json_double(1.0), "1.0");
        assert_eq!(json_double(-0.0), "-0.0");
        assert_eq!(json_double(1e20), "100000000000000000000.0");
        assert_eq!(json_double(1e21), "1e+21");
        assert_eq!(json_double(0.5), "0.5");
        assert_eq!(json_double(f64::NAN), "\"NaN\"");
        assert_eq!(json_double(f64::NEG_INFINITY), "\"-Infinity\"");
    }

    #[test]
    fn every_byte_has_its_hex() {
        let bytes: Vec<u8> = (0..=255).chain([7]).collect();
        let mut out = Vec::new();
        push_hex(&mut out, &bytes);
        let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn base64_is_padded() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{ff}>?", "w78+Pw=="),
        ] {
            let mut out = Vec::new();
            push_base64(&mut out, bytes.as_bytes());
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn only_quotes_backslashes_and_controls_are_escaped() {
        let mut out = Vec::new();
        push_json_text(&mut out, "a\"b\\c\n\u{1f}\u{7f}é/".as_bytes());
        assert_eq!(String::from_utf8(out).unwrap(), "\"a\\\"b\\\\c\\u000a\\u001f\u{7f}é/\"");
    }
}
