//! What is done to a devnet: a leader is killed, an operator is cut off, a second header is signed, L1 is reorganised, a commit stays
//! unproven. Each waits until the chain goes on.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use starling_p2p::message::{Message, Verdict};
use starling_p2p::{Config, Event, Events, Genesis, Handle, Keypair, Network};
use starling_rollup::address::L1Address;
use starling_rollup::block_header::BlockEnd;
use starling_rollup::chain::word_bytes;
use starling_rollup::data::BatchData;
use starling_rollup::kernel;
use starling_rollup::record::Record;
use starling_rollup::transaction::Operation;
use tokio::time::{sleep, timeout};

use super::net::{Net, new_key};
use super::traffic::Traffic;
use super::wait::until;
use crate::block::Block;
use crate::cli::CliError;
use crate::cli::key::random;
use crate::cli::user::{rejected, unusable};
use crate::gossip::Forms;
use crate::l1::rollup::Rollup;
use crate::l1::staking::{Staking, StakingConstants};
use crate::l1::{L1, L1Error};
use crate::rpc::ApiClient;

/// How long anything may take that the chain does by itself.
const SOON: Duration = Duration::from_secs(60);

/// Slots for which a killed leader stays dead, and an operator stays cut off.
const AWAY: u32 = 2;

/// L1 blocks that the reorganisation replaces.
const DEPTH: u64 = 4;

/// What was done.
pub(super) struct Fault {
    pub(super) what: &'static str,
    pub(super) node: String,
    pub(super) at: Duration,
    /// Seconds from then until L1 had another batch.
    pub(super) recovered: f64,
}

impl Fault {
    pub(super) fn value(&self) -> Value {
        json!({
            "what": self.what,
            "node": self.node,
            "at_s": self.at.as_secs(),
            "next_commit_s": (self.recovered * 10.0).round() / 10.0,
        })
    }
}

/// Does it, with what it must know.
pub(super) struct Faults {
    net: Arc<Net>,
    traffic: Arc<Traffic>,
    indices: Vec<u32>,
    constants: StakingConstants,
    /// Who has been tampered with for good.
    out: Vec<usize>,
    /// Who has had its part: better somebody else now.
    had: Vec<usize>,
}

impl Faults {
    pub(super) async fn new(net: Arc<Net>, traffic: Arc<Traffic>, indices: Vec<u32>) -> Result<Self, CliError> {
        let constants = net.staking().constants().await.map_err(rejected)?;
        Ok(Self {
            net,
            traffic,
            indices,
            constants,
            out: Vec::new(),
            had: Vec::new(),
        })
    }

    // WHOSE TURN
    // ============================================================================================================

    fn now() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    fn slot_time(&self) -> Duration {
        Duration::from_secs(self.constants.clock.slot)
    }

    async fn sleep_until(&self, time: Duration) {
        sleep(time.saturating_sub(Self::now())).await;
    }

    /// Waits for the next slot whose builder may be tampered with, and until a moment of it; the builder.
    async fn next_builder(&self, into: Duration) -> Result<usize, CliError> {
        let clock = self.constants.clock;
        for tries in 0..20 {
            let slot = clock.slot_at(Self::now().as_secs()) + 1;
            let start = Duration::from_secs(clock.slot_start(slot));
            self.sleep_until(start + into).await;
            let Ok(status) = self.net.full().rpc.status().await else {
                continue;
            };
            let builder: Option<L1Address> = status.builder.and_then(|builder| builder.parse().ok());
            let node = self
                .net
                .nodes
                .iter()
                .position(|node| builder.is_some() && node.address() == builder);
            if let Some(node) = node
                && status.slot == slot
                && !self.out.contains(&node)
                && (tries >= 4 || !self.had.contains(&node))
                && self.net.nodes[node]
                    .rpc
                    .status()
                    .await
                    .is_ok_and(|status| status.building)
            {
                return Ok(node);
            }
        }
        Err(CliError::Rejected(
            "no operator that may be tampered with has led one of 20 slots".to_owned(),
        ))
    }

    async fn committed(&self) -> Result<u64, CliError> {
        Ok(self.net.contract().progress().await.map_err(rejected)?.committed)
    }

    /// Waits until L1 has a batch behind this one.
    async fn goes_on(&self, what: &'static str, node: &str, since: Instant, batch: u64) -> Result<Fault, CliError> {
        let at = self.net.screen.elapsed().saturating_sub(since.elapsed());
        let waited = format!("another batch is committed after {what} ({node})");
        until(&waited, SOON, async || {
            (self.committed().await.ok()? > batch).then_some(())
        })
        .await?;
        let recovered = since.elapsed().as_secs_f64();
        self.net
            .screen
            .done(format!("{what}: {node}; L1 has the next batch after {recovered:.1} s"));
        Ok(Fault {
            what,
            node: node.to_owned(),
            at,
            recovered,
        })
    }

    /// Waits until a node has peers and says what L1 says.
    async fn is_back(&self, number: usize) -> Result<(), CliError> {
        let node = &self.net.nodes[number];
        let what = format!(
            "{} has peers and all batches of L1 again, see {}",
            node.name,
            node.log().display()
        );
        until(&what, SOON, async || {
            let status = node.rpc.status().await.ok()?;
            let here = status.peers > Some(0) && status.trouble.is_none();
            (here && status.committed + 1 >= self.committed().await.ok()?).then_some(())
        })
        .await
    }

    // FAULTS
    // ============================================================================================================

    /// `kill -9` in the leader's slot, once it has signed a block there; two slots later it is started again.
    pub(super) async fn kill_a_leader(&mut self) -> Result<Fault, CliError> {
        let number = self.next_builder(Duration::from_millis(1_200)).await?;
        let node = &self.net.nodes[number];
        // With blocks that only it and its peers have, if there are some.
        let since = Instant::now();
        while since.elapsed() < self.slot_time() / 3 {
            if node.rpc.status().await.is_ok_and(|status| status.open_blocks > 0) {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        let batch = self.committed().await?;
        let since = Instant::now();
        self.traffic.mark(number, true);
        self.had.push(number);
        node.kill();
        self.net.screen.done(format!("{} is killed in its slot", node.name));
        let killed = self.goes_on("a leader is killed", &node.name, since, batch).await;
        sleep((self.slot_time() * AWAY).saturating_sub(since.elapsed())).await;
        node.start().await?;
        self.traffic.mark(number, false);
        let killed = killed?;
        self.is_back(number).await?;
        self.net.screen.done(format!("{} is back", node.name));
        Ok(killed)
    }

    /// Nothing comes to the leader or from it, in its slot and the next ones, L1 included.
    pub(super) async fn cut_one_off(&mut self) -> Result<Fault, CliError> {
        let number = self.next_builder(Duration::from_millis(800)).await?;
        let node = &self.net.nodes[number];
        let batch = self.committed().await?;
        let since = Instant::now();
        self.had.push(number);
        self.net.switchboard.cut(number);
        self.net.screen.done(format!("{} is cut off in its slot", node.name));
        let cut = self.goes_on("an operator is cut off", &node.name, since, batch).await;
        sleep((self.slot_time() * AWAY).saturating_sub(since.elapsed())).await;
        self.net.switchboard.join(number);
        let cut = cut?;
        self.is_back(number).await?;
        self.net.screen.done(format!("{} is joined again", node.name));
        Ok(cut)
    }

    /// Publishes a second header for the place of a block that an operator has just signed. The operator, and the fault.
    pub(super) async fn sign_twice(&mut self) -> Result<(L1Address, Fault), CliError> {
        let config = Config {
            listen: Vec::new(),
            bootstrap: self.multiaddrs()?,
            ..quiet_config()
        };
        let genesis = Genesis {
            rollup: self.net.rollup,
            kernel: word_bytes(&kernel::program().hash()),
        };
        let network = Network::builder(config, Keypair::generate_ed25519(), genesis);
        let (handle, mut events) = network.decoder(Arc::new(Forms)).start().await.map_err(unusable)?;
        let heard = timeout(SOON, self.hear(&handle, &mut events)).await;
        let heard =
            heard.map_err(|_| CliError::Rejected("not within 60 s: a block is heard on the network".to_owned()))?;
        let (number, block) = heard.ok_or_else(|| CliError::Rejected("the harness's network has ended".to_owned()))?;
        let node = &self.net.nodes[number];
        let mut header = *block.header();
        header.state[31] ^= 1;
        let Some(key) = &node.key else {
            return Err(CliError::Rejected(format!("{} has no key", node.name)));
        };
        let signed = header.sign(&self.net.rollup, key).map_err(unusable)?;
        let other = Block { signed, ..block };
        let batch = self.committed().await?;
        let since = Instant::now();
        let message = Message::Block(other.to_bytes());
        handle
            .publish(message)
            .await
            .map_err(|error| CliError::Rejected(format!("the second header is not published: {error}")))?;
        self.out.push(number);
        self.net.screen.done(format!(
            "a second header of block {} of batch {} in slot {} is published, signed by {}",
            header.index, header.batch, header.slot, node.name
        ));
        let draining = tokio::spawn(async move {
            while let Some(event) = events.next().await {
                ignore(&handle, event).await;
            }
        });
        let signer = key.address();
        let fault = self
            .goes_on("a second header is signed", &node.name, since, batch)
            .await;
        let what = format!("{} is slashed for its second header", node.name);
        let slashed = until(&what, SOON, async || {
            let validator = self.net.staking().validator(signer).await.ok()??;
            validator.ejected.then_some(())
        });
        let slashed = slashed.await;
        draining.abort();
        slashed?;
        let name = &self.net.nodes[number].name;
        self.net.screen.done(format!(
            "{name} is slashed after {:.1} s",
            since.elapsed().as_secs_f64()
        ));
        Ok((signer, fault?))
    }

    /// The next block that an operator that may be tampered with has signed.
    async fn hear(&self, handle: &Handle, events: &mut Events) -> Option<(usize, Block)> {
        loop {
            let event = events.next().await?;
            let block = match &event {
                Event::Message {
                    message: Message::Block(bytes),
                    ..
                } => Block::from_bytes(bytes).ok(),
                _ => None,
            };
            ignore(handle, event).await;
            let Some(block) = block else { continue };
            let signer = block.signer(&self.net.rollup).ok();
            let node = self
                .net
                .nodes
                .iter()
                .position(|node| signer.is_some() && node.address() == signer);
            if let Some(node) = node.filter(|node| !self.out.contains(node)) {
                return Some((node, block));
            }
        }
    }

    /// Where all nodes but the light one are reached.
    fn multiaddrs(&self) -> Result<Vec<starling_p2p::Multiaddr>, CliError> {
        let nodes = self
            .net
            .nodes
            .iter()
            .filter(|node| node.p2p_port > 0 && self.net.light().is_none_or(|light| light.name != node.name));
        nodes
            .map(|node| node.multiaddr(node.p2p_port).parse().map_err(unusable))
            .collect()
    }

    /// L1 replaces its last blocks by empty ones, a commit among them.
    pub(super) async fn reorganise(&mut self) -> Result<Fault, CliError> {
        let before = self.committed().await?;
        let what = "a batch is committed that can be taken back";
        until(what, SOON, async || {
            (self.committed().await.ok()? > before).then_some(())
        })
        .await?;
        // All nodes have seen it then.
        sleep(Duration::from_millis(1_200)).await;
        let batch = self.committed().await?;
        let since = Instant::now();
        self.net.anvil("anvil_reorg", vec![json!(DEPTH), json!([])]).await?;
        let left = self.committed().await?;
        self.net.screen.done(format!(
            "L1 has replaced {DEPTH} blocks: of {batch} batches {left} are left"
        ));
        self.goes_on(
            "L1 is reorganised",
            &format!("batches {} to {batch} dropped", left + 1),
            since,
            batch.max(left),
        )
        .await
    }

    /// A validator of its own commits a transfer that nobody has signed. The validator, and the fault.
    pub(super) async fn leave_unproven(&mut self) -> Result<(L1Address, Fault), CliError> {
        let key = new_key()?;
        let address = key.address();
        self.net.fund(address).await?;
        let l1 = self.net.l1_of(key).await?;
        let (contract, staking) = (
            Rollup::new(&l1, self.net.deployment.rollup),
            Staking::new(&l1, self.net.deployment.staking),
        );
        staking
            .register(address, 0, random()?, self.constants.min_stake)
            .await
            .map_err(rejected)?;
        let constants = contract.constants().await.map_err(rejected)?;
        let operation = Operation::Transfer {
            to: self.indices[1],
            address: self.net.users[1].account.address(),
            amount: 1,
        };
        let data = BatchData {
            fee_account: 0,
            entries: Vec::new(),
            records: vec![Record::new(self.indices[0], 0, &operation)],
        };
        let words = data.to_words();
        let blocks = [BlockEnd {
            end: words.len() as u16,
            state: [7; 32],
        }];
        let tried = Instant::now();
        let number = loop {
            if tried.elapsed() > SOON {
                return Err(CliError::Rejected(
                    "not within 60 s: the batch that nobody can prove is committed".to_owned(),
                ));
            }
            let progress = contract.progress().await.map_err(rejected)?;
            let head = l1.head().await.map_err(rejected)?;
            if staking
                .may_commit(address, progress.quiet_since)
                .await
                .map_err(rejected)?
            {
                let parent = contract.batch(progress.committed).await.map_err(rejected)?.digest;
                let slot = self.constants.clock.slot_at(head.timestamp);
                match contract.commit(&parent, slot, &blocks, &words, constants.bond).await {
                    Ok(_) => break progress.committed + 1,
                    // Somebody else was faster.
                    Err(L1Error::Reverted { .. } | L1Error::Failed { .. }) => {}
                    Err(error) => return Err(rejected(error)),
                }
            }
            sleep(Duration::from_millis(100)).await;
        };
        let since = Instant::now();
        self.net.screen.done(format!(
            "batch {number} on L1 is a transfer that nobody has signed, committed by {address}"
        ));
        let bound = Duration::from_secs(constants.prove_window) + SOON;
        let what = format!("batch {number}, which nobody can prove, is pruned");
        until(&what, bound, async || {
            let validator = self.net.staking().validator(address).await.ok()??;
            (validator.jailed_until > 0).then_some(())
        })
        .await?;
        self.net.screen.done(format!(
            "batch {number} is pruned after {:.0} s",
            since.elapsed().as_secs_f64()
        ));
        let fault = self
            .goes_on("a commit is left unproven", &address.to_string(), since, number - 1)
            .await?;
        Ok((address, fault))
    }
}

async fn ignore(handle: &Handle, event: Event) {
    if let Event::Message { id, .. } = event {
        // The harness passes nothing on: who is cut off stays cut off.
        let _ = handle.report(id, Verdict::Ignore).await;
    }
}

/// A network of the harness: it listens to everybody, at one address.
fn quiet_config() -> Config {
    let mut config = Config::default();
    config.connections.per_address = 256;
    config.discovery.enabled = false;
    config.discovery.private = true;
    config.discovery.interval_ms = 1_000;
    config
}
