//! Any bytes as a WebSocket's frames, cut anywhere: the same events and the same verdict.
#![no_main]

#[allow(dead_code, reason = "each target runs one of the checks")]
#[path = "../checks.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|data: &[u8]| checks::websocket(data));
