//! What a person sees meanwhile, on standard error: steps that are done, what goes on, and a table that is drawn anew.
//!
//! Without a terminal there are lines only: each step, and now and then what the table would say.

use std::io::IsTerminal;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Time between two lines that stand for the table, where there is no terminal.
const SUMMARIES: Duration = Duration::from_secs(5);

pub(super) struct Screen {
    drawn: Option<MultiProgress>,
    started: Instant,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The line that says what goes on.
    now: Option<ProgressBar>,
    /// The lines of the table.
    table: Vec<ProgressBar>,
    /// What was told last, where there is no terminal to draw on.
    last: String,
    summarised: Option<Instant>,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self {
            drawn: std::io::stderr().is_terminal().then(MultiProgress::new),
            started: Instant::now(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether there is a terminal.
    pub(super) fn is_drawn(&self) -> bool {
        self.drawn.is_some()
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
        match &self.drawn {
            Some(drawn) => {
                let bar = state.now.get_or_insert_with(|| {
                    let bar = drawn.add(ProgressBar::new_spinner());
                    bar.enable_steady_tick(Duration::from_millis(200));
                    bar
                });
                bar.set_message(what);
            }
            None if state.last != what => {
                eprintln!("{}", self.stamped(&what));
                state.last = what;
            }
            None => {}
        }
    }

    /// Something is done.
    pub(super) fn done(&self, what: impl AsRef<str>) {
        let line = self.stamped(what.as_ref());
        match &self.drawn {
            Some(drawn) => drop(drawn.println(line)),
            None => eprintln!("{line}"),
        }
    }

    /// Draws the table; `summary` stands for it where there is no terminal.
    pub(super) fn table(&self, lines: &[String], summary: &str) {
        let mut state = self.state();
        let Some(drawn) = &self.drawn else {
            if state.summarised.is_none_or(|at| at.elapsed() >= SUMMARIES) {
                state.summarised = Some(Instant::now());
                eprintln!("{}", self.stamped(summary));
            }
            return;
        };
        while state.table.len() < lines.len() {
            let bar = drawn.add(ProgressBar::new_spinner());
            if let Ok(style) = ProgressStyle::with_template("{msg}") {
                bar.set_style(style);
            }
            state.table.push(bar);
        }
        for (number, bar) in state.table.iter().enumerate() {
            bar.set_message(lines.get(number).cloned().unwrap_or_default());
            bar.tick();
        }
    }

    /// Takes everything away that is drawn; steps stay.
    pub(super) fn clear(&self) {
        let mut state = self.state();
        for bar in state.now.take().into_iter().chain(state.table.drain(..)) {
            bar.finish_and_clear();
        }
    }
}
