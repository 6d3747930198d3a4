//! What the assembler says when it refuses a source.

use core::fmt;

/// One thing that is wrong with a source: where it stands, what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsmError {
    /// Name of the file.
    pub file: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters are meant, at least 1.
    pub width: u32,
    /// The line itself.
    pub source_line: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl std::error::Error for AsmError {}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let before = self.column.saturating_sub(1) as usize;
        // Tabs stay tabs, so that the caret stands under what it means however wide a terminal shows them.
        let indent: String = self
            .source_line
            .chars()
            .chain(core::iter::repeat(' '))
            .take(before)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        writeln!(f, "error: {}", self.message)?;
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.source_line)?;
        write!(f, "{margin} | {indent}{}", "^".repeat(self.width.max(1) as usize))?;
        if let Some(help) = &self.help {
            write!(f, "\n{margin} = help: {help}")?;
        }
        Ok(())
    }
}

// COLLECTING
// ================================================================================================================

/// Errors after which the assembler stops collecting more.
const MOST_ERRORS: usize = 100;

/// A stretch of one source line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) file: u32,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) width: u32,
}

impl Span {
    /// From the beginning of `self` to the end of `other`, if both are on one line.
    pub(super) fn to(self, other: Self) -> Self {
        let end = (other.column + other.width).max(self.column + self.width);
        let width = if (self.file, self.line) == (other.file, other.line) {
            end - self.column
        } else {
            self.width
        };
        Self { width, ..self }
    }
}

/// The sources read so far and what is wrong with them.
#[derive(Debug, Default)]
pub(super) struct Diagnostics {
    files: Vec<(String, String)>,
    errors: Vec<(Span, String, Option<String>)>,
}

impl Diagnostics {
    /// Registers a file and returns its index.
    pub(super) fn add_file(&mut self, name: String, text: String) -> u32 {
        self.files.push((name, text));
        (self.files.len() - 1) as u32
    }

    pub(super) fn files(&self) -> &[(String, String)] {
        &self.files
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.push(span, message.into(), None);
    }

    pub(super) fn error_help(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(span, message.into(), Some(help.into()));
    }

    pub(super) fn push(&mut self, span: Span, message: String, help: Option<String>) {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push((span, message, help));
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// The errors, in the order of files and lines.
    pub(super) fn finish(self) -> Vec<AsmError> {
        let mut errors = self.errors;
        errors.sort_by_key(|(span, _, _)| (span.file, span.line, span.column));
        let lines: Vec<Vec<&str>> = self.files.iter().map(|(_, text)| text.lines().collect()).collect();
        errors
            .into_iter()
            .map(|(span, message, help)| AsmError {
                file: self.files[span.file as usize].0.clone(),
                line: span.line,
                column: span.column,
                width: span.width.max(1),
                source_line: lines[span.file as usize]
                    .get(span.line.saturating_sub(1) as usize)
                    .map(|line| (*line).to_string())
                    .unwrap_or_default(),
                message,
                help,
            })
            .collect()
    }
}

// SUGGESTIONS
// ================================================================================================================

/// The candidate that is closest to `word`, if one is close enough to be meant.
pub(super) fn closest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(d, _)| *d <= 1 + length / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance with transpositions of neighbours.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let mut best = (rows[i - 1][j] + 1).min(row[j - 1] + 1);
            best = best.min(rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}
