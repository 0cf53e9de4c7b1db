use std::process::ExitCode;

fn main() -> ExitCode {
    analytics::cli::main()
}
