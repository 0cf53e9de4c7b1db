//! Dates in headers (RFC 9110, 5.6.7): whole seconds, always GMT.

use chrono::DateTime;

/// `Sun, 06 Nov 1994 08:49:37 GMT`; None outside the calendar.
pub fn format(unix_s: i64) -> Option<String> {
    DateTime::from_timestamp(unix_s, 0).map(|at| at.format("%a, %d %b %Y %H:%M:%S GMT").to_string())
}

/// Unix seconds. The two obsolete forms are not read: nobody has sent them for decades.
pub fn parse(text: &str) -> Option<i64> {
    let is_gmt = text.ends_with(" GMT");
    DateTime::parse_from_rfc2822(text).ok().filter(|_| is_gmt).map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_as_it_is_read() {
        assert_eq!(format(784_111_777).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT");
        for unix_s in [0, 784_111_777, 1_748_779_200, 253_402_300_799] {
            assert_eq!(parse(&format(unix_s).unwrap()), Some(unix_s));
        }
        for bad in ["", "now", "Sun, 06 Nov 1994 08:49:37 +0100", "Sunday, 06-Nov-94 08:49:37 GMT", "784111777"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
