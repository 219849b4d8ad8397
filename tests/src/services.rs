//! Services that applications under test use: started once for a test program, on loopback and in a temporary
//! folder, and ended with it. A service that is not installed is named on stderr, and its tests are skipped.

mod daemon;
mod echo;
mod postgres;
mod redis;
mod reverse_proxy;

pub use echo::Echo;
pub use postgres::Postgres;
pub use redis::Redis;
pub use reverse_proxy::ReverseProxy;
