//! Names in DNS: an address of a bootstrap peer may begin with one. The system's resolver is asked anew each time the peer is
//! dialled, so a peer may move; who it is says the peer id at the address's end. Names from peers are never asked for.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::thread;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio::sync::oneshot;

/// Most addresses of a name that are tried.
const MOST: usize = 8;

/// How an address begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With an IP address.
    Ip,
    /// With a name that has addresses of this kind.
    Name(String, Kind),
    /// With something that nobody here can dial.
    Other,
}

/// Which addresses of a name count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Any,
    V4,
    V6,
}

/// How this address begins.
pub(crate) fn beginning(address: &Multiaddr) -> Beginning {
    match address.iter().next() {
        Some(Protocol::Ip4(_) | Protocol::Ip6(_)) => Beginning::Ip,
        Some(Protocol::Dns(name)) => Beginning::Name(name.into_owned(), Kind::Any),
        Some(Protocol::Dns4(name)) => Beginning::Name(name.into_owned(), Kind::V4),
        Some(Protocol::Dns6(name)) => Beginning::Name(name.into_owned(), Kind::V6),
        _ => Beginning::Other,
    }
}

/// Why a name cannot be dialled now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NameError {
    /// The system's resolver does not say.
    #[error("the name is not resolved: {0}")]
    Resolver(#[from] io::Error),
    /// The name has other addresses, or none.
    #[error("the name has no address of the kind that is asked for")]
    None,
}

/// The addresses that one with a name stands for, at least one.
///
/// # Errors
/// When the name has none now.
pub(crate) async fn resolve(address: &Multiaddr) -> Result<Vec<Multiaddr>, NameError> {
    let (name, kind) = match beginning(address) {
        Beginning::Ip => return Ok(vec![address.clone()]),
        Beginning::Name(name, kind) => (name, kind),
        Beginning::Other => return Err(NameError::None),
    };
    let wanted = |ip: &IpAddr| match kind {
        Kind::Any => true,
        Kind::V4 => ip.is_ipv4(),
        Kind::V6 => ip.is_ipv6(),
    };
    let found: BTreeSet<IpAddr> = look_up(name).await?.into_iter().filter(wanted).collect();
    if found.is_empty() {
        return Err(NameError::None);
    }
    let at = |ip: IpAddr| [Protocol::from(ip)].into_iter().chain(address.iter().skip(1)).collect();
    Ok(found.into_iter().take(MOST).map(at).collect())
}

/// Asks the system. In a thread of its own, since the resolver may wait for long, and a runtime that ends would wait for a thread of its pool.
async fn look_up(name: String) -> io::Result<Vec<IpAddr>> {
    let (tell, told) = oneshot::channel();
    thread::Builder::new().name("dns".to_owned()).spawn(move || {
        let found = (name.as_str(), 0).to_socket_addrs();
        // Who asked may have ended.
        let _ = tell.send(found.map(|found| found.map(|socket| socket.ip()).collect()));
    })?;
    told.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(address: &str) -> Multiaddr {
        address.parse().unwrap()
    }

    #[test]
    fn an_address_begins_with_an_ip_address_or_a_name() {
        for ip in ["/ip4/1.2.3.4/tcp/1", "/ip6/::1/udp/1/quic-v1"] {
            assert_eq!(beginning(&parse(ip)), Beginning::Ip);
        }
        for (kind, protocol) in [(Kind::Any, "dns"), (Kind::V4, "dns4"), (Kind::V6, "dns6")] {
            let address = parse(&format!("/{protocol}/boot.example.org/tcp/1"));
            assert_eq!(
                beginning(&address),
                Beginning::Name("boot.example.org".to_owned(), kind)
            );
        }
        for other in ["/dnsaddr/example.org", "/tcp/1", "/unix/a"] {
            assert_eq!(beginning(&parse(other)), Beginning::Other, "{other}");
        }
    }

    #[tokio::test]
    async fn a_name_gives_way_to_its_addresses_and_the_rest_stays() {
        let rest = "/udp/9/quic-v1/p2p/12D3KooWD3bfmNbuuuVCYwkjnFt3ukm3qaB3hDED3peHHXawvRAi";
        let found = resolve(&parse(&format!("/dns4/localhost{rest}"))).await;
        assert_eq!(found.unwrap(), [parse(&format!("/ip4/127.0.0.1{rest}"))]);
        // An address is its own name.
        let six = resolve(&parse(&format!("/dns/::1{rest}"))).await;
        assert_eq!(six.unwrap(), [parse(&format!("/ip6/::1{rest}"))]);
        for none in ["/dns4/::1", "/dns6/127.0.0.1", "/dnsaddr/localhost"] {
            let found = resolve(&parse(&format!("{none}{rest}"))).await;
            assert!(matches!(found, Err(NameError::None)), "{none}: {found:?}");
        }
        // A label has 63 characters at most: no resolver has this one.
        let nobody = resolve(&parse(&format!("/dns4/{}.invalid/tcp/1", "a".repeat(64)))).await;
        assert!(matches!(nobody, Err(NameError::Resolver(_))), "{nobody:?}");
    }
}
