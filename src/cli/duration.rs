/// A length of time in whole seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seconds(pub u32);

/// Parses a number with its unit: `30m`, `12h`, `90d`, `52w`. Errors with what it may be.
pub fn parse(text: &str) -> Result<Seconds, &'static str> {
    const RULE: &str = "must be a number above 0 with a unit, such as 30m, 12h, 90d or 52w, at most about 136 years";
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(RULE)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(RULE),
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| number.parse::<u32>().ok()).flatten().filter(|number| *number > 0).ok_or(RULE)?;
    number.checked_mul(seconds).map(Seconds).ok_or(RULE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_time_is_a_number_with_a_unit() {
        let good = [("45s", 45), ("30m", 1_800), ("12h", 43_200), ("90d", 7_776_000), ("52w", 31_449_600)];
        for (text, seconds) in good {
            assert_eq!(parse(text), Ok(Seconds(seconds)), "{text}");
        }
        for text in ["", "d", "90", "0d", "-1d", "+1d", "1.5d", "9 d", "90D", "1é", "49711d", "99999999999d"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
