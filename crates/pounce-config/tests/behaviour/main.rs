//! The crate as its users see it: sources in, configuration or faults out.

mod common;
mod faults;
mod files;
mod foreign;
mod layers;
mod meaning;
mod plan;
mod secrets;
