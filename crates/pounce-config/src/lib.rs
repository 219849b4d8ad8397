//! What a server is told to do: options, their layers, their validation
