//! x
use super::DevnetArgs;
use super::net::Net;
use crate::cli::CliError;
pub(super) async fn run(_args: &DevnetArgs, _net: &Net) -> Result<(), CliError> { Ok(()) }
