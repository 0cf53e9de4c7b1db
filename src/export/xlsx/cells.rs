//! Cells as a worksheet's XML has them.
//!
//! Rows are formatted before it is known where they will stand: marks stand for their numbers until they are written
//! into a sheet. No text can hold a mark, as control characters are escaped.

use std::io::Write;

use crate::model::{Day, Timestamp};

/// Here a row begins.
pub const ROW_BEGINS: u8 = 0x02;
/// Here the number of the row belongs.
pub const ROW_NUMBER: u8 = 0x01;
/// What a cell can hold, in UTF-16 units.
pub const CELL_UNITS_MAX: usize = 32_767;

/// The formats of data sheets: their places in the workbook's list of styles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    Text,
    Header,
    Date,
    Stamp,
    Count,
}

impl Style {
    pub const ALL: [Style; 5] = [Style::Text, Style::Header, Style::Date, Style::Stamp, Style::Count];
}

pub fn begin_row(out: &mut Vec<u8>) {
    out.push(ROW_BEGINS);
}

pub fn end_row(out: &mut Vec<u8>) {
    out.extend_from_slice(b"</row>");
}

/// A text as it is, never a formula, a number or a link; an empty one is no cell. At most [`CELL_UNITS_MAX`] units.
pub fn push_text(out: &mut Vec<u8>, column: usize, style: Style, text: &str) {
    if text.is_empty() {
        return;
    }
    begin_cell(out, column, style);
    let is_blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let (first, last) = (text.as_bytes().first(), text.as_bytes().last());
    let keeps_blanks = is_blank(first) || is_blank(last);
    let start: &[u8] =
        if keeps_blanks { br#" t="inlineStr"><is><t xml:space="preserve">"# } else { br#" t="inlineStr"><is><t>"# };
    out.extend_from_slice(start);
    push_escaped(out, text.as_bytes());
    out.extend_from_slice(b"</t></is></c>");
}

pub fn push_count(out: &mut Vec<u8>, column: usize, count: u64) {
    push_number(out, column, Style::Count, format_args!("{count}"));
}

pub fn push_day(out: &mut Vec<u8>, column: usize, day: Day) {
    match day_serial(day) {
        Some(serial) => push_number(out, column, Style::Date, format_args!("{serial}")),
        None => push_text(out, column, Style::Text, &day.to_string()),
    }
}

/// To the microsecond, though the format shows thousandths of a second.
pub fn push_stamp(out: &mut Vec<u8>, column: usize, at: Timestamp) {
    match day_serial(at.day()) {
        // The shortest digits that give the same number back.
        Some(days) => {
            let serial = f64::from(days) + at.micros_of_day() as f64 / Day::MICROS as f64;
            push_number(out, column, Style::Stamp, format_args!("{serial}"));
        }
        None => push_text(out, column, Style::Text, &at.to_string()),
    }
}

/// Days since 1899-12-30. None before March 1900: spreadsheets do not agree on days before that, as some hold 1900 for a
/// leap year (ECMA-376 part 1, 18.17.4.1).
pub fn day_serial(day: Day) -> Option<u32> {
    const FIRST_SERIAL: u32 = 61;
    const UNIX_EPOCH_SERIAL: u32 = 25_569;
    let serial = (day.index() + UNIX_EPOCH_SERIAL).checked_sub(Day::UNIX_EPOCH.index())?;
    (serial >= FIRST_SERIAL).then_some(serial)
}

fn push_number(out: &mut Vec<u8>, column: usize, style: Style, digits: std::fmt::Arguments) {
    begin_cell(out, column, style);
    out.extend_from_slice(b"><v>");
    out.write_fmt(digits).expect("memory takes what is written to it");
    out.extend_from_slice(b"</v></c>");
}

/// Up to its attributes.
fn begin_cell(out: &mut Vec<u8>, column: usize, style: Style) {
    out.extend_from_slice(b"<c r=\"");
    push_column_name(out, column);
    out.push(ROW_NUMBER);
    out.push(b'"');
    if style != Style::Text {
        out.extend_from_slice(b" s=\"");
        out.push(b'0' + style as u8);
        out.push(b'"');
    }
}

/// A, B, .., Z, AA, ..
fn push_column_name(out: &mut Vec<u8>, column: usize) {
    if column >= 26 {
        push_column_name(out, column / 26 - 1);
    }
    out.push(b'A' + (column % 26) as u8);
}

/// The cells that a text takes: cut behind as many characters as one holds, never within a character.
pub fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (part, behind) = rest.split_at(part_bytes(rest));
        rest = behind;
        (!part.is_empty()).then_some(part)
    })
}

/// How many bytes of the text fit into one cell.
fn part_bytes(text: &str) -> usize {
    // A character has no more units than bytes.
    if text.len() <= CELL_UNITS_MAX {
        return text.len();
    }
    let mut units = 0;
    let overflowing = text.char_indices().find(|(_, char)| {
        units += char.len_utf16();
        units > CELL_UNITS_MAX
    });
    overflowing.map_or(text.len(), |(at, _)| at)
}

/// Markup is escaped as in any XML. What XML cannot hold is written as `_xHHHH_`, and an underscore that would be read as
/// the beginning of that as `_x005F_` (ECMA-376 part 1, 22.9.2.19, ST_Xstring).
fn push_escaped(out: &mut Vec<u8>, text: &[u8]) {
    let mut done = 0;
    let mut at = 0;
    while let Some(found) = text[at..].iter().position(|byte| IS_SPECIAL[usize::from(*byte)]) {
        at += found;
        let escaped = escape(&text[at..]);
        if let Some((escape, bytes)) = &escaped {
            out.extend_from_slice(&text[done..at]);
            match escape {
                Escape::Entity(entity) => out.extend_from_slice(entity),
                Escape::Unit(unit) => write!(out, "_x{unit:04X}_").expect("memory takes what is written to it"),
            }
            done = at + bytes;
        }
        at += escaped.map_or(1, |(_, bytes)| bytes);
    }
    out.extend_from_slice(&text[done..]);
}

enum Escape {
    Entity(&'static [u8]),
    Unit(u16),
}

/// What stands for the beginning of the text, and how many bytes of it; None if it stands for itself.
fn escape(text: &[u8]) -> Option<(Escape, usize)> {
    match text {
        [b'&', ..] => Some((Escape::Entity(b"&amp;"), 1)),
        [b'<', ..] => Some((Escape::Entity(b"&lt;"), 1)),
        [b'>', ..] => Some((Escape::Entity(b"&gt;"), 1)),
        [control @ 0..0x20, ..] => Some((Escape::Unit(u16::from(*control)), 1)),
        // U+FFFE and U+FFFF are no characters.
        [0xef, 0xbf, last @ (0xbe | 0xbf), ..] => Some((Escape::Unit(0xff00 | u16::from(last | 0x40)), 3)),
        [b'_', b'x', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {
            Some((Escape::Unit(u16::from(b'_')), 1))
        }
        _ => None,
    }
}

/// Bytes at which [`escape`] has a look.
static IS_SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        // Tabs and line feeds may stand in XML as they are; a CR would be read as a line feed.
        special[byte] =
            byte < 0x20 && byte != 0x09 && byte != 0x0a || matches!(byte as u8, b'&' | b'<' | b'>' | b'_' | 0xef);
        byte += 1;
    }
    special
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = vec![];
        push_escaped(&mut out, text.as_bytes());
        String::from_utf8(out).unwrap()
    }

    /// As readers do it: from left to right, each escape once.
    fn unescaped(xml: &str) -> String {
        let xml = xml.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let (mut text, mut rest) = (String::new(), xml.as_str());
        while let Some(char) = rest.chars().next() {
            let unit = rest.strip_prefix("_x").and_then(|rest| rest.get(..5)).and_then(|code| code.strip_suffix('_'));
            match unit.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32) {
                Some(control) => (text.push(control), rest = &rest[7..]).1,
                None => (text.push(char), rest = &rest[char.len_utf8()..]).1,
            }
        }
        text
    }

    #[test]
    fn what_xml_cannot_hold_is_escaped_and_what_looks_like_it_too() {
        let cases = [
            ("plain, \"quoted\" and 'so'", "plain, \"quoted\" and 'so'"),
            ("a<b>&c", "a&lt;b&gt;&amp;c"),
            ("tab\tand\nline", "tab\tand\nline"),
            ("a\r\nb\u{0}c\u{b}\u{1f}", "a_x000D_\nb_x0000_c_x000B__x001F_"),
            ("_x000D_ _X000D_ _x00_", "_x005F_x000D_ _X000D_ _x00_"),
            ("_x000D\u{b}", "_x005F_x000D_x000B_"),
            ("\u{fffe}\u{ffff}\u{fffd}\u{ff5e}", "_xFFFE__xFFFF_\u{fffd}\u{ff5e}"),
            ("=1+2 🦀 שלום", "=1+2 🦀 שלום"),
        ];
        for (text, xml) in cases {
            assert_eq!(escaped(text), xml, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_comes_back_as_it_was(
            text in prop_oneof![any::<String>(), "[_xX0Dd5F\u{b}\u{d}\n\u{fffe}<&;]{0,40}"],
        ) {
            let xml = escaped(&text);
            prop_assert!(!xml.contains(|char: char| (char as u32) < 0x20 && char != '\t' && char != '\n'));
            prop_assert_eq!(unescaped(&xml), text);
        }

        #[test]
        fn a_long_text_is_cut_into_cells_without_loss(unit in "[a🦀é\u{10000}]{1,50}", times in 1..4_000usize) {
            let text = unit.repeat(times);
            let cells: Vec<&str> = parts(&text).collect();
            prop_assert_eq!(cells.concat(), text.clone());
            let units = |text: &str| text.encode_utf16().count();
            prop_assert!(cells.iter().all(|cell| units(cell) <= CELL_UNITS_MAX));
            prop_assert!(cells[..cells.len() - 1].iter().all(|cell| units(cell) >= CELL_UNITS_MAX - 1));
        }
    }

    #[test]
    fn days_are_counted_as_spreadsheets_count_them_from_march_1900_on() {
        let serial = |day: &str| day_serial(Day::parse(day).unwrap());
        assert_eq!(serial("1900-02-28"), None);
        assert_eq!(serial("1900-03-01"), Some(61));
        assert_eq!(serial("2025-01-01"), Some(45_658));
        assert_eq!((serial("9999-12-31"), serial("0001-01-01")), (Some(2_958_465), None));
    }

    #[test]
    fn a_cell_says_where_it_stands_and_what_it_is() {
        let cell = |push: &dyn Fn(&mut Vec<u8>)| {
            let mut out = vec![];
            push(&mut out);
            String::from_utf8(out).unwrap().replace('\u{1}', "7")
        };
        let stamp = |text: &str| Timestamp::parse(text).unwrap();
        assert_eq!(cell(&|out| push_count(out, 0, 42)), r#"<c r="A7" s="4"><v>42</v></c>"#);
        assert_eq!(cell(&|out| push_text(out, 27, Style::Text, "")), "");
        let text = r#"<c r="AB7" t="inlineStr"><is><t xml:space="preserve"> 1</t></is></c>"#;
        assert_eq!(cell(&|out| push_text(out, 27, Style::Text, " 1")), text);
        let noon = r#"<c r="A7" s="3"><v>45658.5</v></c>"#;
        assert_eq!(cell(&|out| push_stamp(out, 0, stamp("2025-01-01T12:00:00Z"))), noon);
        let before = r#"<c r="A7" t="inlineStr"><is><t>1900-02-28T23:59:59.500Z</t></is></c>"#;
        assert_eq!(cell(&|out| push_stamp(out, 0, stamp("1900-02-28T23:59:59.5Z"))), before);
    }
}
