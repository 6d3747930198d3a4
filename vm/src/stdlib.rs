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
pub const MODULES: &[StdModule] = modules!["errors", "u64", "u128", "u256", "hash", "merkle", "sort", "sig"];

/// The module of this name.
pub fn module(name: &str) -> Option<&'static StdModule> {
    MODULES.iter().find(|module| module.name == name)
}

// WHAT THE SOURCES SAY OF THEMSELVES
// ================================================================================================================

/// What stands above a public procedure of the library.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcedureDoc {
    /// Its name: `u64::add`.
    pub name: String,
    /// What it does.
    pub about: String,
    /// Its operands and where they stand.
    pub takes: String,
    /// Its results and where they stand.
    pub gives: String,
    /// Registers that it changes beside those of its results.
    pub clobbers: String,
    /// When it traps.
    pub traps: String,
    /// Instructions from its first to its `ret`; the call is one more.
    pub cycles: String,
}

/// What the sources say of their public procedures, in their order.
pub fn procedures() -> Vec<ProcedureDoc> {
    let mut found = Vec::new();
    for module in MODULES {
        let mut comment: Vec<&str> = Vec::new();
        for line in module.text.lines() {
            if let Some(words) = line.strip_prefix("# ") {
                comment.push(words);
                continue;
            }
            if let Some(name) = line.strip_prefix("pub proc ") {
                let field = |key: &str| {
                    let found = comment.iter().find_map(|line| line.strip_prefix(key));
                    found.unwrap_or_default().trim().to_string()
                };
                let about = comment.iter().take_while(|line| !line.starts_with("in:"));
                found.push(ProcedureDoc {
                    name: format!("{}::{name}", module.name),
                    about: about.copied().collect::<Vec<_>>().join(" "),
                    takes: field("in:"),
                    gives: field("out:"),
                    clobbers: field("clobbers:"),
                    traps: field("traps:"),
                    cycles: field("cycles:"),
                });
            }
            comment.clear();
        }
    }
    found
}

/// The table of the library's procedures as Markdown, for `specs/vm.md`.
pub fn stdlib_table() -> String {
    let mut out = String::from(
        "| procedure | does | takes | gives | clobbers | traps | cycles |\n|---|---|---|---|---|---|---|\n",
    );
    for p in procedures() {
        out.push_str(&format!(
            "| `{}` | {} | {} | {} | {} | {} | {} |\n",
            p.name, p.about, p.takes, p.gives, p.clobbers, p.traps, p.cycles
        ));
    }
    out
}
