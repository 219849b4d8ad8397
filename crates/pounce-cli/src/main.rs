//! The `pounce` command.
fn main() {}
