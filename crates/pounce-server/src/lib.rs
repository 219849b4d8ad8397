//! The life of a server: from configuration to shutdown
