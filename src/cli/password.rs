//! A password, typed or piped: never an argument, which others on the machine could see.

use std::io::{BufRead, IsTerminal};

use super::arguments::PasswordSource;
use super::output::{Failure, Outcome};
use crate::error::Error;

/// More than any password that is taken, and no end of memory for one without an end.
const LINE_BYTES_MAX: u64 = 4_096;

/// Asks for a new password twice, without showing it; or reads the first line of standard input.
pub fn read(source: &PasswordSource, name: &str) -> Outcome<String> {
    if source.password_stdin {
        return first_line(std::io::stdin().lock());
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "there is no terminal to ask for the password in; pipe it in and give --password-stdin".into(),
        ));
    }
    let first = prompt(&format!("Password of {name}: "))?;
    if prompt("The same once more: ")? == first {
        return Ok(first);
    }
    Err(failed("the two passwords differ; nothing was changed, try again"))
}

/// Without its line end. Blanks belong to the password.
fn first_line(input: impl BufRead) -> Outcome<String> {
    let mut line = vec![];
    let read = input.take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
    read.map_err(|e| failed(&format!("cannot read the password from standard input: {e}")))?;
    let text = String::from_utf8(line).map_err(|_| failed("the password on standard input is not UTF-8"))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    match text {
        "" => Err(failed("standard input holds no password in its first line")),
        text => Ok(text.to_string()),
    }
}

fn prompt(text: &str) -> Outcome<String> {
    rpassword::prompt_password(text).map_err(|e| failed(&format!("cannot read the password from the terminal: {e}")))
}

fn failed(message: &str) -> Failure {
    Failure::Failed(Error::invalid(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_without_its_end() {
        let cases = [("secret", "secret"), ("secret\n", "secret"), ("a b \r\nc\n", "a b "), ("é🦀\n\n", "é🦀")];
        for (input, password) in cases {
            assert_eq!(first_line(input.as_bytes()).unwrap(), password, "{input:?}");
        }
        for none in [&b""[..], b"\n", b"\r\nsecret", b"\xff\xfe\n"] {
            assert!(first_line(none).is_err(), "{none:?}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_read_for_ever() {
        let endless = std::io::BufReader::new(std::io::repeat(b'a'));
        assert_eq!(first_line(endless).unwrap().len(), 4_096);
    }
}
