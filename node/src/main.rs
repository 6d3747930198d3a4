//! The `starling` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    starling_node::cli::run()
}
