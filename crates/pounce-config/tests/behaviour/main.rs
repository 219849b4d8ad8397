//! The public API of the crate: sources in, configuration or faults out.

mod common;
mod compat;
mod faults;
mod files;
mod foreign;
mod layers;
mod meaning;
mod plan;
mod secrets;
