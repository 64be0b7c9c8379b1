//! The `goavail` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    goavail::main()
}
