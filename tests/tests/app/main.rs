//! Applications: how they are found and started, what they see, what they may do, and what becomes of their mistakes.

mod asyncio_features;
mod asyncio_io;
mod clients;
mod coroutines;
mod debug_page;
mod faults;
mod frameworks;
mod import_errors;
mod import_shapes;
mod leaving_quietly;
mod lifespan;
mod receive_and_send;
mod scope;
