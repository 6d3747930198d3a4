//! Field elements, statements and programs on the command line and in files.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};
use starling_vm::asm::{EXTENSION, Source, assemble_with};
use starling_vm::executor::RunInputs;
use starling_vm::field::{Felt, MODULUS, Word, canonical};
use starling_vm::program::Program;
use starling_vm::program_file;

use super::CliError;

/// Where inputs, advice and outputs come from.
#[derive(Debug, Args)]
pub(crate) struct IoArgs {
    /// JSON file with `inputs`, `advice` and `outputs`, each a list of elements; any may be missing.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["inputs", "advice", "outputs"])]
    io: Option<PathBuf>,
    /// Public inputs, separated by commas; decimal or 0x-hexadecimal.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_element)]
    inputs: Option<Vec<Felt>>,
    /// JSON file with the advice tape, a list of elements.
    #[arg(long, value_name = "FILE")]
    advice: Option<PathBuf>,
    /// Public outputs, separated by commas: what a run is expected to give, or what a proof claims.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_element)]
    outputs: Option<Vec<Felt>>,
}

/// Inputs, advice and outputs, read.
#[derive(Debug, Default)]
pub(crate) struct Io {
    pub(crate) run: RunInputs,
    pub(crate) outputs: Option<Vec<Felt>>,
}

impl IoArgs {
    /// Reads what the arguments name.
    pub(crate) fn read(self) -> Result<Io, CliError> {
        if let Some(path) = &self.io {
            return read_io(path);
        }
        let advice = match &self.advice {
            Some(path) => elements(&read_json(path)?, path, "the advice tape")?,
            None => Vec::new(),
        };
        Ok(Io {
            run: RunInputs {
                public: self.inputs.unwrap_or_default(),
                advice,
            },
            outputs: self.outputs,
        })
    }
}

fn read_io(path: &Path) -> Result<Io, CliError> {
    let value = read_json(path)?;
    let Some(object) = value.as_object() else {
        return Err(unusable(path, "an object with inputs, advice and outputs is expected"));
    };
    if let Some(key) = object
        .keys()
        .find(|key| !["inputs", "advice", "outputs"].contains(&key.as_str()))
    {
        return Err(unusable(
            path,
            &format!("unknown key {key:?}; inputs, advice and outputs are known"),
        ));
    }
    let list = |key: &str| object.get(key).map(|value| elements(value, path, key)).transpose();
    let run = RunInputs {
        public: list("inputs")?.unwrap_or_default(),
        advice: list("advice")?.unwrap_or_default(),
    };
    Ok(Io {
        run,
        outputs: list("outputs")?,
    })
}

fn unusable(path: &Path, what: &str) -> CliError {
    CliError::Unusable(format!("{}: {what}", path.display()))
}

/// Reads a file.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    fs::read(path).map_err(|error| unusable(path, &error.to_string()))
}

fn read_json(path: &Path) -> Result<Value, CliError> {
    serde_json::from_slice(&read_bytes(path)?).map_err(|error| unusable(path, &error.to_string()))
}

fn elements(value: &Value, path: &Path, what: &str) -> Result<Vec<Felt>, CliError> {
    let Some(list) = value.as_array() else {
        return Err(unusable(path, &format!("{what}: a list of elements is expected")));
    };
    let element = |(i, value): (usize, &Value)| {
        let parsed = match value {
            Value::Number(number) => number
                .as_u64()
                .and_then(canonical)
                .ok_or_else(|| format!("{number} is not a field element: 0 to {}", MODULUS - 1)),
            Value::String(text) => parse_element(text),
            other => Err(format!("{other} is not a number or a string of one")),
        };
        parsed.map_err(|error| unusable(path, &format!("{what}, element {i}: {error}")))
    };
    list.iter().enumerate().map(element).collect()
}

/// A field element in decimal or, after 0x, hexadecimal.
pub(crate) fn parse_element(text: &str) -> Result<Felt, String> {
    let text = text.trim();
    let number = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    let number = number.map_err(|_| format!("{text:?} is not a number"))?;
    canonical(number).ok_or_else(|| format!("{number} is not a field element: 0 to {}", MODULUS - 1))
}

/// A program hash: 64 hexadecimal digits, sixteen an element.
pub(crate) fn parse_hash(text: &str) -> Result<Word, String> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(String::from(
            "a program hash has 64 hexadecimal digits; `starling vm asm FILE` prints it",
        ));
    }
    let mut word = [Felt::new(0); 4];
    for (i, element) in word.iter_mut().enumerate() {
        let value = u64::from_str_radix(&digits[16 * i..16 * i + 16], 16).map_err(|error| error.to_string())?;
        *element =
            canonical(value).ok_or_else(|| format!("digits {} to {} are not a field element", 16 * i, 16 * i + 15))?;
    }
    Ok(word)
}

/// A word as [parse_hash] reads it.
pub(crate) fn show_hash(word: &Word) -> String {
    word.iter()
        .map(|element| format!("{:016x}", element.as_int()))
        .collect()
}

/// Elements as JSON: numbers up to 2^53, decimal strings above.
pub(crate) fn json_elements(elements: &[Felt]) -> Value {
    elements
        .iter()
        .map(|element| match element.as_int() {
            value if value <= 1 << 53 => json!(value),
            value => json!(value.to_string()),
        })
        .collect()
}

/// Elements for people.
pub(crate) fn show_elements(elements: &[Felt]) -> String {
    let list: Vec<_> = elements.iter().map(|element| element.as_int().to_string()).collect();
    if list.is_empty() {
        String::from("none")
    } else {
        list.join(", ")
    }
}

/// Reads a program, assembled or in source; modules are looked for beside the source file.
pub(crate) fn read_program(path: &Path) -> Result<Program, CliError> {
    let bytes = read_bytes(path)?;
    if bytes.starts_with(&program_file::MAGIC[..6]) {
        return program_file::from_bytes(&bytes).map_err(|error| unusable(path, &error.to_string()));
    }
    let text = String::from_utf8(bytes).map_err(|_| unusable(path, "neither an assembled program nor UTF-8 text"))?;
    let name = path
        .file_name()
        .map_or_else(|| path.to_string_lossy(), |name| name.to_string_lossy());
    let folder = path.parent().unwrap_or(Path::new("")).to_path_buf();
    let load = |module: &str| {
        let file = folder.join(module.replace("::", "/")).with_extension(EXTENSION);
        let text = fs::read_to_string(&file).ok()?;
        Some(Source::new(format!("{}.{EXTENSION}", module.replace("::", "/")), text))
    };
    assemble_with(Source::new(name, text), load).map_err(|errors| {
        let list: Vec<_> = errors.iter().map(ToString::to_string).collect();
        CliError::Unusable(format!("{} does not assemble\n{}", path.display(), list.join("\n")))
    })
}
