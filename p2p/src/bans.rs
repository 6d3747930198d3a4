//! Who is kept out, and until when.
//!
//! A ban ends by itself. It is remembered for a while after that, so that the next one is twice as long, and so that several
//! bad peers at one address make the address itself bad.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use libp2p::PeerId;

use crate::address::Place;
use crate::config::{Bans as Config, ms};

/// A banned peer, while it is remembered.
#[derive(Clone, Copy, Debug)]
struct Ban {
    until: Instant,
    /// When it is forgotten.
    memory: Instant,
    length: Duration,
    place: Option<Place>,
    over: bool,
}

/// The bans.
#[derive(Debug)]
pub(crate) struct Bans {
    config: Config,
    peers: HashMap<PeerId, Ban>,
    places: HashMap<Place, Instant>,
    /// Let in early, because there was no room to remember them.
    dropped: Vec<PeerId>,
}

/// What [Bans::look] found to have ended.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) peers: Vec<PeerId>,
    pub(crate) places: Vec<Place>,
}

impl Bans {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            peers: HashMap::new(),
            places: HashMap::new(),
            dropped: Vec::new(),
        }
    }

    /// Bans a peer. Gives the address if that is banned with it.
    pub(crate) fn ban(&mut self, peer: PeerId, place: Option<Place>, now: Instant) -> Option<Place> {
        let longest = ms(self.config.peer_max_ms);
        let length = match self.peers.get(&peer) {
            Some(ban) if !ban.over => return None,
            Some(ban) => (ban.length * 2).min(longest),
            None => ms(self.config.peer_ms).min(longest),
        };
        self.make_room();
        let ban = Ban {
            until: now + length,
            memory: now + length.saturating_mul(1 + self.config.memory),
            length,
            place,
            over: false,
        };
        self.peers.insert(peer, ban);
        let place = place?;
        let bad = self.peers.values().filter(|ban| ban.place == Some(place)).count();
        let known = self.places.contains_key(&place) || self.places.len() >= self.config.remembered;
        if bad < self.config.address_peers || known {
            return None;
        }
        self.places.insert(place, now + ms(self.config.address_ms));
        Some(place)
    }

    pub(crate) fn is_banned(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|ban| !ban.over)
    }

    /// Ends what has lasted long enough.
    pub(crate) fn look(&mut self, now: Instant) -> Ended {
        let mut ended = Ended {
            peers: std::mem::take(&mut self.dropped),
            places: Vec::new(),
        };
        self.peers.retain(|peer, ban| {
            if !ban.over && ban.until <= now {
                ban.over = true;
                ended.peers.push(*peer);
            }
            ban.memory > now || !ban.over
        });
        self.places.retain(|place, until| {
            if *until <= now {
                ended.places.push(*place);
            }
            *until > now
        });
        // The peers that made an address bad have paid for it: else the first one after its ban would bring it back.
        for ban in self.peers.values_mut() {
            if ban.place.is_some_and(|place| ended.places.contains(&place)) {
                ban.place = None;
            }
        }
        ended
    }

    /// The peers that are kept out, and the addresses.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.peers.values().filter(|ban| !ban.over).count(), self.places.len())
    }

    fn make_room(&mut self) {
        while self.peers.len() >= self.config.remembered.max(1) {
            let Some(peer) = self
                .peers
                .iter()
                .min_by_key(|(_, ban)| ban.memory)
                .map(|(peer, _)| *peer)
            else {
                return;
            };
            self.peers.remove(&peer);
            self.dropped.push(peer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bans() -> (Bans, Instant, Duration) {
        let config = Config {
            peer_ms: 1_000,
            peer_max_ms: 3_000,
            memory: 2,
            address_peers: 3,
            address_ms: 60_000,
            remembered: 4,
            ..Config::default()
        };
        (Bans::new(config), Instant::now(), Duration::from_secs(1))
    }

    #[test]
    fn bans_end_double_and_are_forgotten() {
        let (mut bans, start, second) = bans();
        let peer = PeerId::random();
        bans.ban(peer, None, start);
        assert!(bans.look(start + second / 2).peers.is_empty() && bans.is_banned(&peer));
        assert_eq!(bans.look(start + second).peers, [peer]);
        assert!(!bans.is_banned(&peer));
        bans.ban(peer, None, start + second);
        assert!(
            bans.look(start + 5 * second / 2).peers.is_empty(),
            "the second is longer"
        );
        assert_eq!(bans.look(start + 3 * second).peers, [peer]);
        // Its memory, twice its length, is over: it starts anew.
        bans.look(start + 7 * second);
        bans.ban(peer, None, start + 7 * second);
        assert_eq!(bans.look(start + 8 * second).peers, [peer]);
    }

    #[test]
    fn several_bad_peers_make_a_bad_address() {
        let (mut bans, start, second) = bans();
        let place = Place::of(&"/ip4/1.2.3.4/tcp/1".parse().unwrap());
        let other = Place::of(&"/ip4/1.2.3.5/tcp/1".parse().unwrap());
        assert_eq!(bans.ban(PeerId::random(), place, start), None);
        assert_eq!(bans.ban(PeerId::random(), place, start), None);
        assert_eq!(bans.ban(PeerId::random(), other, start), None);
        assert_eq!(bans.ban(PeerId::random(), place, start), place);
        assert_eq!(bans.look(start + 59 * second).places, []);
        assert_eq!(bans.look(start + 60 * second).places, [place.unwrap()]);
    }

    #[test]
    fn a_ban_is_counted_once_and_memory_is_bounded() {
        let (mut bans, start, _) = bans();
        let place = Place::of(&"/ip4/1.2.3.4/tcp/1".parse().unwrap());
        let peer = PeerId::random();
        for _ in 0..9 {
            assert_eq!(bans.ban(peer, place, start), None);
        }
        for _ in 0..9 {
            bans.ban(PeerId::random(), None, start);
        }
        assert_eq!(bans.counts(), (4, 0));
        assert_eq!(bans.look(start).peers.len(), 6, "whoever is forgotten is let in");
    }
}
