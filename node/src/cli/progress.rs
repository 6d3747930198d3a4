//! A progress bar for proving, driven by the prover's own spans.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};
use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

/// The prover's stages in order, each with its rough share of the time in percent.
const STAGES: [(&str, &str, u64); 9] = [
    ("extend_execution_trace", "extending the trace", 42),
    ("compute_execution_trace_commitment", "committing to the trace", 8),
    ("commit_to_aux_trace_segment", "linking the chips", 8),
    ("evaluate_constraints", "evaluating the constraints", 24),
    ("commit_to_constraint_evaluations", "committing to the quotients", 9),
    ("build_deep_composition_poly", "opening at a random point", 5),
    ("compute_fri_layers", "folding", 2),
    ("determine_query_positions", "grinding", 1),
    ("build_proof_object", "collecting the openings", 1),
];

struct Stages {
    bar: ProgressBar,
}

impl<S: Subscriber> Layer<S> for Stages {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.is_span()
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let name = attributes.metadata().name();
        let Some(stage) = STAGES.iter().position(|(span, ..)| *span == name) else {
            return;
        };
        let before: u64 = STAGES[..stage].iter().map(|(.., share)| share).sum();
        // The auxiliary segment is extended with the same functions: the bar does not run backwards.
        if before >= self.bar.position() {
            self.bar.set_position(before);
            self.bar.set_message(STAGES[stage].1);
        }
    }
}

/// Runs `work`, with a progress bar on standard error if that is a terminal.
pub(crate) fn with_progress<T>(show: bool, work: impl FnOnce() -> T) -> T {
    if !show || !std::io::stderr().is_terminal() {
        return work();
    }
    let bar = ProgressBar::new(100);
    if let Ok(style) = ProgressStyle::with_template("proving {bar:30} {percent:>3} % {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.set_message("running the program");
    bar.enable_steady_tick(std::time::Duration::from_millis(100));
    let subscriber = tracing_subscriber::registry().with(Stages { bar: bar.clone() });
    let result = tracing::subscriber::with_default(subscriber, work);
    bar.finish_and_clear();
    result
}
