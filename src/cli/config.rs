use super::arguments::{Config, Global};
use super::output::{Outcome, print, print_json};

pub fn run(global: Global, arguments: &Config) -> Outcome {
    let settings = super::settings(global, vec![])?;
    todo!()
}
