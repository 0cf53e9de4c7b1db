use proptest::test_runner::Config;

/// So many cases, or as many as `PROPTEST_CASES` asks for: a long run is a matter of patience, not of the code.
pub fn cases(usual: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(usual),
    }
}
