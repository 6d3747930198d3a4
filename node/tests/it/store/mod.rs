//! Both backends under the same tests.

mod crash;
mod full;
mod model;
mod opening;
mod sled;
