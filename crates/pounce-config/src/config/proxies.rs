//! Proxies in front of the server, and whom to trust.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What is learnt from proxies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// Whether `X-Forwarded-*` and `Forwarded` are read.
    pub headers: bool,
    /// Whether connections of trusted proxies begin with the PROXY protocol.
    pub protocol: bool,
    /// The proxies to trust.
    pub trusted: Proxies,
}

/// A set of proxies.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxies {
    /// Whether every peer is one.
    pub all: bool,
    /// Whether peers at Unix sockets are some.
    pub unix: bool,
    /// Their addresses and networks.
    pub networks: Vec<IpNet>,
}

impl Proxies {
    /// Whether an address is one of them. IPv6 addresses that stand for IPv4 ones count as these.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.all || self.networks.iter().any(|network| network.contains(&address))
    }

    /// Adds what a text names: an address, a network, `unix` or `*`. False if it is none of these.
    pub(crate) fn add(&mut self, text: &str) -> bool {
        match text {
            "*" => self.all = true,
            "unix" => self.unix = true,
            _ => match text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)) {
                Ok(network) => self.networks.push(network),
                Err(_) => return false,
            },
        }
        true
    }
}
