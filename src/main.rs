//! The `goavail` binary.

fn main() {}
