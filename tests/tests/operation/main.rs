//! Operation: options, addresses, logs, the process, signals, reloads, stops, memory.

mod access_log;
mod blocked_loop;
mod compat;
mod control;
mod deploy;
mod health;
mod listening;
mod log_files;
mod logs;
mod memory;
mod metrics;
mod options;
mod process;
mod proxies;
mod python_logging;
mod reload;
mod request_ids;
mod shutdown;
mod shutdown_under_load;
mod signals;
mod systemd;
mod traces;
