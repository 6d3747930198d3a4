//! What a person sees meanwhile, on standard error: steps that are done, and below them a table and what goes on, drawn anew in place.
//!
//! Without a terminal there are lines only: each step, and now and then what the table would say.

use crate::cli::out::tell;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Time between two lines that stand for the table, where there is no terminal.
const SUMMARIES: Duration = Duration::from_secs(5);

pub(super) struct Screen {
    is_drawn: bool,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Lines that are drawn now and can be drawn over.
    drawn: usize,
    table: Vec<String>,
    /// What goes on.
    now: String,
    summarised: Option<Instant>,
}

impl State {
    /// Draws what can be drawn over, below lines that stay.
    fn draw(&mut self, stay: Option<&str>) {
        // Up to the first line that was drawn, and nothing below it. Lines that are too long for the terminal are cut, not wrapped.
        let mut text = match self.drawn {
            0 => "\r".to_owned(),
            drawn => format!("\x1b[{drawn}A\r"),
        };
        text += "\x1b[J\x1b[?7l";
        if let Some(stay) = stay {
            text += &format!("{stay}\r\n");
        }
        let now = (!self.now.is_empty()).then(|| format!("... {}", self.now));
        let lines: Vec<&String> = self.table.iter().chain(&now).collect();
        for line in &lines {
            text += &format!("{line}\r\n");
        }
        self.drawn = lines.len();
        text += "\x1b[?7h";
        // Who closes the terminal has seen enough.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            is_drawn: std::io::stderr().is_terminal(),
            started: Instant::now(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether there is a terminal.
    pub(super) fn is_drawn(&self) -> bool {
        self.is_drawn
    }

    /// Since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn stamped(&self, what: &str) -> String {
        format!("[{:>4} s] {what}", self.started.elapsed().as_secs())
    }

    /// What goes on now. Without a terminal a line each time that it changes.
    pub(super) fn now(&self, what: impl Into<String>) {
        let what = what.into();
        let mut state = self.state();
        if state.now == what {
            return;
        }
        state.now = what;
        match self.is_drawn {
            true => state.draw(None),
            false => tell!("{}", self.stamped(&state.now)),
        }
    }

    /// Something is done.
    pub(super) fn done(&self, what: impl AsRef<str>) {
        let line = self.stamped(what.as_ref());
        match self.is_drawn {
            true => self.state().draw(Some(&line)),
            false => tell!("{line}"),
        }
    }

    /// Draws the table; `summary` stands for it where there is no terminal.
    pub(super) fn table(&self, lines: Vec<String>, summary: &str) {
        let mut state = self.state();
        if self.is_drawn {
            state.table = lines;
            state.draw(None);
        } else if state.summarised.is_none_or(|at| at.elapsed() >= SUMMARIES) {
            state.summarised = Some(Instant::now());
            tell!("{}", self.stamped(summary));
        }
    }

    /// Takes everything away that is drawn; steps stay.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        state.table.clear();
        state.now.clear();
        if self.is_drawn {
            state.draw(None);
        }
    }
}
