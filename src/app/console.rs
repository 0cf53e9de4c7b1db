use std::io::Write;

/// Says something to the people at standard error. Unlike `eprintln!` it survives a reader that has gone: a server must
/// not end because nobody reads its greeting.
pub fn say(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = writeln!(stderr, "{text}");
}
