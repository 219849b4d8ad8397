//! Endpoints and listening sockets: binding, duplicating, reconstructing
