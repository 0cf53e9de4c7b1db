//! How input may stand in a message for a person.

/// So that no message carries much of what may be private, or long.
const QUOTED_CHARS_MAX: usize = 60;

/// Input in quotation marks, control characters escaped, cut where it is long.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("{:?}..", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What serde_json found wrong, without the place.
pub fn reason(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let mut reason = error.to_string();
    if reason.ends_with(&place) {
        reason.truncate(reason.len() - place.len());
    }
    reason
}

/// What serde_json found wrong, and where.
pub fn reason_and_place(error: &serde_json::Error) -> String {
    format!("{} at line {}, column {}", reason(error), error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_input_is_cut_and_control_characters_are_escaped() {
        assert_eq!(quoted("a\"b\n\u{0}"), r#""a\"b\n\0""#);
        assert_eq!(quoted(&"é".repeat(60)), format!("\"{}\"", "é".repeat(60)));
        assert_eq!(quoted(&"é".repeat(61)), format!("\"{}\"..", "é".repeat(60)));
    }
}
