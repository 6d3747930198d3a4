//! Where a peer is, as far as limits care.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// What counts as one address: an IPv4 address, or the /64 of an IPv6 address, since that is what one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place(IpAddr);

impl Place {
    /// The place of an address, if it names an IP address.
    pub(crate) fn of(address: &Multiaddr) -> Option<Self> {
        let ip = address.iter().find_map(|part| match part {
            Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
            Protocol::Ip6(ip) => Some(IpAddr::V6(ip)),
            _ => None,
        })?;
        Some(Self(match ip.to_canonical() {
            IpAddr::V4(ip) => IpAddr::V4(ip),
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        }))
    }

    /// Whether the open network can reach it.
    pub(crate) fn is_public(self) -> bool {
        match self.0 {
            IpAddr::V4(ip) => {
                let shared = Ipv4Addr::new(100, 64, 0, 0).to_bits();
                !(ip.is_private()
                    || ip.is_loopback()
                    || ip.is_link_local()
                    || ip.is_broadcast()
                    || ip.is_documentation()
                    || ip.is_multicast()
                    || ip.octets()[0] == 0
                    || ip.to_bits() & 0xffc0_0000 == shared)
            }
            IpAddr::V6(ip) => {
                !(ip.is_loopback()
                    || ip.is_unspecified()
                    || ip.is_multicast()
                    || ip.is_unique_local()
                    || ip.is_unicast_link_local())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: &str) -> Place {
        Place::of(&address.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_customer_is_one_place() {
        let six = |host: &str| place(&format!("/ip6/2001:db8:1:2{host}/tcp/1"));
        assert_eq!(six("::1"), six(":ffff::9"));
        assert_ne!(six("::1"), place("/ip6/2001:db8:1:3::1/tcp/1"));
        assert_ne!(place("/ip4/1.2.3.4/tcp/1"), place("/ip4/1.2.3.5/tcp/1"));
        assert_eq!(place("/ip6/::ffff:1.2.3.4/tcp/1"), place("/ip4/1.2.3.4/udp/9/quic-v1"));
        assert_eq!(Place::of(&"/dns4/example.org/tcp/1".parse().unwrap()), None);
    }

    #[test]
    fn neighbours_are_not_the_network() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "100.64.0.1",
            "169.254.1.1",
            "0.0.0.0",
        ] {
            assert!(!place(&format!("/ip4/{private}/tcp/1")).is_public(), "{private}");
        }
        assert!(place("/ip4/1.2.3.4/tcp/1").is_public());
        assert!(!place("/ip6/fd00::1/tcp/1").is_public());
        assert!(place("/ip6/2a00:1450::1/tcp/1").is_public());
    }
}
