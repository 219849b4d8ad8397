//! Applications: how the server finds and starts them, their scopes, features and faults.

mod asyncio_features;
mod asyncio_io;
mod clients;
mod coroutines;
mod debug_page;
mod each_loop;
mod faults;
mod frameworks;
mod import_errors;
mod import_shapes;
mod leaving_quietly;
mod lifespan;
mod receive_and_send;
mod scope;
mod tasks;
