//! The standard library, in assembly: modules that every program may `use`.
//!
//! What each procedure takes, gives, clobbers and costs stands above it in its source and in `specs/vm.md`; tests hold
//! the sources to it.

/// A module of the standard library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StdModule {
    /// Its name: `u64` is used as `std::u64`.
    pub name: &'static str,
    /// Its source.
    pub text: &'static str,
}

macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        &[$(StdModule { name: $name, text: include_str!(concat!("../stdlib/", $name, ".sasm")) }),*]
    };
}

/// All modules.
pub const MODULES: &[StdModule] = modules!["u64"];

/// The module of this name.
pub fn module(name: &str) -> Option<&'static StdModule> {
    MODULES.iter().find(|module| module.name == name)
}
