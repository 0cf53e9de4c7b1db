//! A table for the terminal.

/// How a column's cells stand in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Align {
    Left,
    Right,
}

/// Columns two blanks apart, as wide as their widest cell; no line ends in blanks. Every row has as many cells as there
/// are columns.
pub fn table(columns: &[(&str, Align)], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = columns.iter().enumerate().map(|(n, (head, _))| width(n, head, rows)).collect();
    let head: Vec<String> = columns.iter().map(|(head, _)| head.to_string()).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let cells = row.iter().zip(columns).zip(&widths).map(|((cell, (_, align)), width)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn width(column: usize, head: &str, rows: &[Vec<String>]) -> usize {
    let cells = rows.iter().map(|row| row[column].chars().count());
    cells.chain([head.chars().count()]).max().unwrap_or(0)
}

/// A number for people: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_under_each_other_by_their_last_digit() {
        let rows = [["design", "7"], ["zoë's team", "1,234"]].map(|row| row.map(String::from).to_vec());
        let shown = table(&[("team", Align::Left), ("users", Align::Right)], &rows);
        assert_eq!(shown, "team        users\ndesign          7\nzoë's team  1,234\n");
    }

    #[test]
    fn a_table_without_rows_is_its_head() {
        assert_eq!(table(&[("team", Align::Left), ("users", Align::Right)], &[]), "team  users\n");
    }

    #[test]
    fn thousands_are_set_apart() {
        let cases = [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")];
        for (number, shown) in cases {
            assert_eq!(grouped(number), shown);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }
}
