//! What a server counts: requests, connections, WebSockets, the event loop, workers.
//!
//! The numbers lie in memory that all workers share, whatever they run as. Each worker has a row in it and is the only
//! one that writes there; anyone can read the sum of all rows, even while a worker is blocked. A row outlives its
//! worker, and the next worker adds to it, so that no number is lost when a worker dies.
//!
//! # Map
//!
//! | module | subject |
//! |---|---|
//! | `rows` | the memory |
//! | `scoreboard` | who has which row |
//! | `layout` | which number is where in a row |
//! | `number` | adding to one |
//! | `labels` | the values that labels have |
//! | `buckets` | histograms |
//! | `worker` | how a worker counts |
//! | `requests` | what a worker serves |
//! | `worker_now` | one worker, as its row shows it |
//! | `snapshot` | the sum of all rows |
//! | `exposition` | the sum as the text that Prometheus reads |

#![cfg_attr(not(test), deny(clippy::print_stdout, clippy::print_stderr))]

mod buckets;
mod exposition;
mod labels;
mod layout;
mod number;
mod requests;
mod rows;
mod scoreboard;
mod snapshot;
mod worker;
mod worker_now;

pub use exposition::{Build, TextFormat};
pub use labels::{Direction, Protocol, Refused, Restart, Spans, known_method};
pub use requests::RunningRequest;
pub use rows::Rows;
pub use scoreboard::{Place, Scoreboard};
pub use snapshot::{HistogramSum, Snapshot};
pub use worker::WorkerMetrics;
pub use worker_now::{WorkerNow, WorkerPhase};
