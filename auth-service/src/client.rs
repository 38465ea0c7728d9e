//! Where a request comes from: the peer's address, or what a trusted proxy says, and the user agent.
//! Never believes a forwarding header of a peer that is not a configured proxy.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::USER_AGENT;
use axum::http::request::Parts;

use crate::State;

const USER_AGENT_MAX: usize = 512;

#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    /// None where no connection stands behind the request.
    pub(crate) address: Option<IpAddr>,
    pub(crate) user_agent: Option<String>,
}

impl Client {
    /// What limits count by: an IPv4 address, or the /64 that one IPv6 subscriber has.
    pub(crate) fn network(&self) -> Option<IpAddr> {
        self.address.map(|address| match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        })
    }
}

impl FromRequestParts<State> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Client, Infallible> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip().to_canonical());
        // What a client puts before the proxy's own hop must not make that hop unreadable.
        let values: Vec<_> = parts
            .headers
            .get_all("x-forwarded-for")
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let forwarded: Vec<&str> = values.iter().flat_map(|value| value.split(',')).collect();
        let user_agent = parts
            .headers
            .get(USER_AGENT)
            .and_then(|value| value.to_str().ok())
            .map(|text| text.chars().take(USER_AGENT_MAX).collect());
        Ok(Client {
            address: peer.map(|peer| origin(peer, &forwarded, state.trusted_proxies())),
            user_agent,
        })
    }
}

/// The last address on the way here that is not one of our proxies.
fn origin(peer: IpAddr, forwarded: &[&str], proxies: &[IpAddr]) -> IpAddr {
    let mut nearest = peer;
    for hop in forwarded.iter().rev() {
        if !proxies.contains(&nearest) {
            break;
        }
        match hop.trim().parse::<IpAddr>() {
            Ok(address) => nearest = address.to_canonical(),
            Err(_) => break,
        }
    }
    nearest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_proxies_are_believed() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let proxies = [ip("10.0.0.1"), ip("10.0.0.2")];
        let from = |peer: &str, forwarded: &[&str]| origin(ip(peer), forwarded, &proxies);
        assert_eq!(from("9.9.9.9", &["1.2.3.4"]), ip("9.9.9.9"));
        assert_eq!(from("10.0.0.1", &["6.6.6.6", " 1.2.3.4"]), ip("1.2.3.4"));
        assert_eq!(from("10.0.0.1", &["1.2.3.4", "10.0.0.2"]), ip("1.2.3.4"));
        assert_eq!(from("10.0.0.1", &["nonsense"]), ip("10.0.0.1"));
        assert_eq!(from("10.0.0.1", &[]), ip("10.0.0.1"));
    }

    #[test]
    fn a_v6_subscriber_is_one_network() {
        let network = |text: &str| {
            Client {
                address: Some(text.parse().unwrap()),
                user_agent: None,
            }
            .network()
            .unwrap()
        };
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff::9"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
    }
}
