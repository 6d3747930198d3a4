//! What the `starling` binary is made of: a thin `main` calls [cli::run].

pub mod cli;
