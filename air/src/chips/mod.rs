//! The chips. Each knows its own columns and the buses, never another chip's columns.
//!
//! A chip's file reads like its page in `specs/air.md`: the columns, each constraint as one named line with the sentence
//! that it enforces, then the messages.

pub mod bitwise;
pub mod cpu;
pub mod hash;
pub mod memory;
pub mod range;
pub mod signature;

/// Receives constraints, in order.
///
/// The prover and the verifier collect values; other sinks collect names or degrees.
pub trait Sink<A> {
    /// The constraint called `name`: `value` is zero on every row but the last.
    fn zero(&mut self, name: &'static str, value: A);
}

/// Writes the values into a slice.
#[derive(Debug)]
pub struct Values<'a, A> {
    out: core::slice::IterMut<'a, A>,
}

impl<'a, A> Values<'a, A> {
    /// A sink that fills `out` from its start.
    pub fn new(out: &'a mut [A]) -> Self {
        Self { out: out.iter_mut() }
    }
}

impl<A> Sink<A> for Values<'_, A> {
    #[inline(always)]
    fn zero(&mut self, _: &'static str, value: A) {
        if let Some(slot) = self.out.next() {
            *slot = value;
        }
    }
}

/// Collects names and values.
impl<A> Sink<A> for Vec<(&'static str, A)> {
    fn zero(&mut self, name: &'static str, value: A) {
        self.push((name, value));
    }
}
