//! The one place that names the cryptographic library: AWS-LC, or ring where that is asked for alone.
//!
//! The two have the same interface, as far as it is used here.

#[cfg(feature = "aws-lc-rs")]
pub(crate) use aws_lc_rs::{aead, digest, hkdf, rand};
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
pub(crate) use ring::{aead, digest, hkdf, rand};
#[cfg(feature = "aws-lc-rs")]
pub use rustls::crypto::aws_lc_rs::default_provider;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
pub use rustls::crypto::ring::default_provider;

#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("a cryptographic library is needed: enable the feature aws-lc-rs or ring");
