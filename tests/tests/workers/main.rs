//! Many workers, of every kind.

mod control;
mod crash;
mod frameworks;
mod hooks;
mod idle;
mod lifespan;
mod options;
mod preload;
mod recycle;
mod reload;
mod resources;
mod reuse_port;
mod scale;
mod share;
mod start;
mod stop;
mod stuck;
mod watch;
