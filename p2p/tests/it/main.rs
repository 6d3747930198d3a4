//! Integration tests of the network, one test binary so that it links once. Every peer is a real socket on loopback.
#![allow(missing_docs)]

mod bans;
mod config;
mod connections;
mod discovery;
mod exchange;
mod floods;
mod formats;
mod frames;
mod introduction;
mod invalid;
mod js;
mod key;
mod metrics;
mod queues;
mod raw;
mod requests;
mod shutdown;
mod slow;
mod verdicts;
mod world;
