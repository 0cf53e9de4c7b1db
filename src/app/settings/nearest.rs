/// The name that takes the fewest edits to reach from `name`: what was probably meant. `known` must not be empty.
pub fn nearest(name: &str, known: impl Iterator<Item = String>) -> String {
    known.min_by_key(|known| edits(name, known)).expect("there are settings")
}

/// Levenshtein distance in characters: insertions, deletions and replacements.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_with_the_fewest_edits() {
        for (from, to, expected) in
            [("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("é", "e", 1), ("a", "a", 0)]
        {
            assert_eq!(edits(from, to), expected, "{from} {to}");
        }
        let known = ["server.listen", "server.contact"].map(String::from);
        assert_eq!(nearest("server.listn", known.into_iter()), "server.listen");
    }
}
