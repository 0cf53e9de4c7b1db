use std::borrow::Borrow;
use std::fmt;

/// The longest id, in bytes of UTF-8.
pub const ID_BYTES_MAX: usize = 256;

/// An opaque id (user, team, service, session, event): 1 to 256 bytes of UTF-8 without control characters.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(Box<str>);

impl Id {
    /// Errors with what an id may be, to be set behind the field's name.
    pub fn new(text: impl Into<Box<str>>) -> Result<Id, &'static str> {
        let text = text.into();
        match text.len() {
            0 => Err("must not be empty"),
            1..=ID_BYTES_MAX if has_control(&text) => Err("must not contain control characters"),
            1..=ID_BYTES_MAX => Ok(Id(text)),
            _ => Err("must be at most 256 bytes long"),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Looks at characters only where bytes leave it open: nearly all ids are plain ASCII.
fn has_control(text: &str) -> bool {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    !text.bytes().all(is_plain) && text.chars().any(char::is_control)
}

impl Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_any_text_of_1_to_256_bytes_without_control_characters() {
        for good in ["a", "team/a.b c", "🦀", &"x".repeat(256)] {
            assert_eq!(Id::new(good).map(|id| id.to_string()), Ok(good.to_string()));
        }
        for bad in ["", "a\nb", "é\n", "\u{7f}", "\u{0}", "\u{85}", &"x".repeat(257), &"é".repeat(129)] {
            assert!(Id::new(bad).is_err(), "{bad:?}");
        }
    }
}
