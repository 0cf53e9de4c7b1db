//! The text format of Prometheus.

use std::fmt::{self, Display, Write};

/// The text under way. Every sample belongs to the family named last.
#[derive(Default)]
pub struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        self.push(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// `suffix`: behind the family's name, as of a histogram's parts.
    pub fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let name = self.family;
        self.push(format_args!("{name}{suffix}"));
        for (index, (label, value)) in labels.iter().enumerate() {
            self.push(format_args!("{}{label}=\"{}\"", if index == 0 { '{' } else { ',' }, Escaped(value)));
        }
        self.push(format_args!("{} {value}\n", if labels.is_empty() { "" } else { "}" }));
    }

    /// `cumulative[i]` counts what took at most `bounds_s[i]`.
    pub fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        bounds_s: &[f64],
        cumulative: &[u64],
        count: u64,
        seconds: f64,
    ) {
        for (bound, within) in bounds_s.iter().zip(cumulative) {
            self.sample("_bucket", &[labels, &[("le", bound.to_string().as_str())]].concat(), within);
        }
        self.sample("_bucket", &[labels, &[("le", "+Inf")]].concat(), count);
        self.sample("_sum", labels, seconds);
        self.sample("_count", labels, count);
    }

    pub fn into_text(self) -> String {
        self.text
    }

    fn push(&mut self, text: fmt::Arguments) {
        self.text.write_fmt(text).expect("writing to memory does not fail");
    }
}

/// A label's value with the escapes of the text format.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_are_escaped() {
        assert_eq!(Escaped("a\"b\\c\nd").to_string(), "a\\\"b\\\\c\\nd");
    }
}
