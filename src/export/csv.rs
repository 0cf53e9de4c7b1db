//! CSV as RFC 4180 has it: fields with commas, quotation marks or line ends in quotation marks, lines that end in CRLF.

pub const LINE_END: &[u8] = b"\r\n";
pub const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Appends a field of text. Unless `raw`, one that a spreadsheet would take for a formula gets an apostrophe in front.
pub fn push_text(line: &mut Vec<u8>, text: &str, raw: bool) {
    let formula = !raw && is_formula(text.as_bytes());
    if needs_quotes(text.as_bytes()) {
        line.push(b'"');
        if formula {
            line.push(b'\'');
        }
        push_doubled(line, text.as_bytes());
        line.push(b'"');
    } else {
        if formula {
            line.push(b'\'');
        }
        line.extend_from_slice(text.as_bytes());
    }
}

/// Whether a text begins as OWASP says that formulas may: with one of `=+-@`, in full width too, with a tab or a line's end,
/// or with NUL, which LibreOffice drops, and takes what is behind it for the beginning.
fn is_formula(text: &[u8]) -> bool {
    match text {
        [b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r' | b'\n' | b'\0', ..] => true,
        // U+FF1D, U+FF0B, U+FF0D and U+FF20.
        [0xef, 0xbc, 0x9d | 0x8b | 0x8d | 0xa0, ..] => true,
        _ => false,
    }
}

/// Texts are looked at in blocks of a size known beforehand, which a processor takes in a few steps; the last block may
/// begin within the one before it.
fn needs_quotes(text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk::<16>() {
        return text.as_chunks::<16>().0.iter().any(is_special) || is_special(last);
    }
    match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => is_special(first) || is_special(last),
        _ => text.iter().any(|byte| is_special(&[*byte])),
    }
}

/// Whether one of the bytes is. Without a way out in between, so that all are looked at at once.
fn is_special<const N: usize>(block: &[u8; N]) -> bool {
    block
        .iter()
        .fold(false, |found, byte| found | (*byte == b',') | (*byte == b'"') | (*byte == b'\r') | (*byte == b'\n'))
}

fn push_doubled(line: &mut Vec<u8>, mut text: &[u8]) {
    while let Some(mark) = text.iter().position(|byte| *byte == b'"') {
        line.extend_from_slice(&text[..=mark]);
        line.push(b'"');
        text = &text[mark + 1..];
    }
    line.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn field(text: &str, raw: bool) -> String {
        let mut line = vec![];
        push_text(&mut line, text, raw);
        String::from_utf8(line).unwrap()
    }

    #[test]
    fn only_what_would_be_misread_stands_in_quotation_marks() {
        let cases = [
            ("", ""),
            ("plain", "plain"),
            (" blanks ", " blanks "),
            ("a;b|c'd\te", "a;b|c'd\te"),
            ("a,b", "\"a,b\""),
            ("say \"no\"", "\"say \"\"no\"\"\""),
            ("\"", "\"\"\"\""),
            ("\"\"", "\"\"\"\"\"\""),
            ("two\r\nlines", "\"two\r\nlines\""),
            ("two\nlines", "\"two\nlines\""),
            ("two\rlines", "\"two\rlines\""),
            ("nul\0, too", "\"nul\0, too\""),
            ("\u{1f600}\u{202e}", "\u{1f600}\u{202e}"),
        ];
        for (text, written) in cases {
            assert_eq!(field(text, false), written);
            assert_eq!(field(text, true), written);
        }
    }

    #[test]
    fn what_a_spreadsheet_would_run_gets_an_apostrophe_unless_it_is_wanted_raw() {
        let cases = [
            ("=1+1", "'=1+1", "=1+1"),
            ("+1", "'+1", "+1"),
            ("-1", "'-1", "-1"),
            ("@SUM(A1)", "'@SUM(A1)", "@SUM(A1)"),
            ("\t=1", "'\t=1", "\t=1"),
            ("\r=1", "\"'\r=1\"", "\"\r=1\""),
            ("\n=1", "\"'\n=1\"", "\"\n=1\""),
            ("\0=1", "'\0=1", "\0=1"),
            ("\0\0,", "\"'\0\0,\"", "\"\0\0,\""),
            ("＝1", "'＝1", "＝1"),
            ("＋1", "'＋1", "＋1"),
            ("－1", "'－1", "－1"),
            ("＠x", "'＠x", "＠x"),
            ("：1", "：1", "：1"),
            ("=A1,\"x\"", "\"'=A1,\"\"x\"\"\"", "\"=A1,\"\"x\"\"\""),
            (" =1", " =1", " =1"),
            ("'=1", "'=1", "'=1"),
            ("a=1", "a=1", "a=1"),
        ];
        for (text, neutral, raw) in cases {
            assert_eq!(field(text, false), neutral);
            assert_eq!(field(text, true), raw);
        }
    }

    #[test]
    fn a_mark_is_found_wherever_it_stands_in_a_text_of_any_length() {
        for (len, at) in (0..70).flat_map(|len| (0..len).map(move |at| (len, at))) {
            let plain = "x".repeat(len);
            assert_eq!(field(&plain, false), plain);
            let marked = format!("{}\n{}", "x".repeat(at), "x".repeat(len - at - 1));
            assert_eq!(field(&marked, true), format!("\"{marked}\""));
        }
    }

    /// What is hard for CSV, more often than chance would have it.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof!["[=+@\t\r\n\0＝,\"'a -]{0,12}", ".{0,40}", "(?s).{0,40}"]
    }

    proptest! {
        #[test]
        fn another_reader_finds_every_field_as_it_was(rows in vec(vec(text(), 3), 0..6), raw: bool) {
            // No file of ours begins with a field from outside, which might look like a byte order mark.
            let mut file = b"a,b,c\r\n".to_vec();
            for row in &rows {
                for (i, text) in row.iter().enumerate() {
                    if i > 0 {
                        file.push(b',');
                    }
                    push_text(&mut file, text, raw);
                }
                file.extend_from_slice(LINE_END);
            }
            let mut reader = ::csv::Reader::from_reader(&file[..]);
            let read: Vec<Vec<String>> =
                reader.records().map(|row| row.unwrap().iter().map(str::to_string).collect()).collect();
            let neutral = |text: &String| match text.chars().next() {
                Some(first) if !raw && "=+-@\t\r\n\0＝＋－＠".contains(first) => format!("'{text}"),
                _ => text.clone(),
            };
            let expected: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(neutral).collect()).collect();
            prop_assert_eq!(read, expected);
        }
    }
}
