//! Operation: options, addresses, logs, signals, reloads, stops, memory.

mod access_log;
mod listening;
mod logs;
mod memory;
mod options;
mod reload;
mod shutdown;
mod shutdown_under_load;
mod signals;
