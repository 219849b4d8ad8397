//! HTTP/2: RFC 9113 section by section, and behaviour beyond it.

mod behaviour;
mod control_frames;
mod data_and_headers;
mod fields;
mod floods;
mod flow_control;
mod frames;
mod hpack;
mod messages;
mod preface;
mod pseudo_headers;
mod settings;
mod streams;
mod transfer;
