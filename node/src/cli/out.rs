//! What commands print.
//!
//! Who closes the pipe has seen enough: that is no error, and nothing panics. Whatever else keeps an answer from being written, such as
//! a full disk behind standard output, makes the command fail: see [failed].

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

/// Why something that was to be printed was not.
static FAILED: OnceLock<String> = OnceLock::new();

/// Prints a line to standard output.
macro_rules! say {
    ($($arg:tt)*) => { $crate::cli::out::to_stdout(format_args!("{}\n", format_args!($($arg)*))) };
}

/// Prints a line to standard error, if that takes it.
macro_rules! tell {
    ($($arg:tt)*) => { $crate::cli::out::to_stderr(format_args!("{}\n", format_args!($($arg)*))) };
}

pub(crate) use {say, tell};

/// Writes to standard output.
pub(crate) fn to_stdout(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let done = out.write_fmt(text).and_then(|()| out.flush());
    if let Err(error) = done
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = FAILED.set(format!("standard output: {error}"));
    }
}

/// Writes to standard error: what nobody reads is not missed.
pub(crate) fn to_stderr(text: Arguments<'_>) {
    let _ = std::io::stderr().write_fmt(text);
}

/// What kept something from being printed.
pub(crate) fn failed() -> Option<String> {
    FAILED.get().cloned()
}
