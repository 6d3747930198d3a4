//! The light node: what it believes, whom it catches, and what it says of every answer.

mod bodies;
mod nodes;
pub(crate) mod proxy;
mod scene;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jsonrpsee::core::client::ClientT;
use jsonrpsee::rpc_params;
use jsonrpsee_http_client::{HttpClient, HttpClientBuilder};
use serde_json::{Value, json};
use starling_node::answers::account::{Leaf, Origin};
use starling_node::answers::proof::Point;
use starling_node::l1::abi::{self, ROLLUP};
use starling_node::l1::staking::Staking;
use starling_node::l1::{L1, hex};
use starling_node::light::{Light, LightError, Settings, Stage};
use starling_node::operator::hex_word;
use starling_p2p::request::{Request, StateAt};
use starling_rollup::account::Account;
use starling_rollup::block_header::{BlockHeader, SignedHeader};
use starling_rollup::chain::word_bytes;

use self::nodes::{Lie, Node, settings, until};
use self::proxy::Proxy;
use self::scene::{Scene, forged as lie};
use crate::limits::refuses_a_long_batch;

/// A light node that knows these nodes, and one of L1's endpoints at these addresses.
async fn start(scene: &Scene, l1: &[&str], nodes: &[&Node], verify: Option<Point>) -> Light {
    let mut settings = settings(scene, l1, nodes);
    settings.verify = verify;
    connected(settings, nodes.len()).await
}

async fn connected(settings: Settings, nodes: usize) -> Light {
    let light = Light::start(settings).await.unwrap();
    until("all nodes are connected", async || {
        light.status().await.unwrap().peers.len() == nodes
    })
    .await;
    light
}

// LIES
// ================================================================================================================

/// Asks a light node that knows a liar and an honest node, which waits until the liar has had its say.
async fn caught(scene: &Scene, what: &str, request: Request, lie: Lie) {
    let liar = Node::liar(scene, lie).await;
    let honest = Node::honest(scene).await;
    let light = start(scene, &[scene.l1()], &[&liar, &honest], None).await;
    let (peer, right) = match request {
        Request::Account { index, at } => {
            let (answer, ()) = tokio::join!(light.account(index, at), first(&liar, &honest));
            let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
            (
                answer.checked.peer,
                answer.proof.to_bytes() == scene.body(&request).unwrap(),
            )
        }
        Request::Operation { batch, position } => {
            let (answer, ()) = tokio::join!(light.operation(batch, position), first(&liar, &honest));
            let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
            (
                answer.checked.peer,
                answer.proof.to_bytes() == scene.body(&request).unwrap(),
            )
        }
        _ => unreachable!("only these are asked"),
    };
    assert!(right, "{what}: the answer is another than the honest one");
    assert_eq!(peer, Some(honest.id()), "{what}");
    assert_eq!(light.status().await.unwrap().banned, 1, "{what}");
    until("the liar is gone", async || {
        light.status().await.unwrap().peers == [honest.id()]
    })
    .await;
    light.shutdown().await;
}

/// The second node knows nothing until the first is asked.
async fn first(first: &Node, second: &Node) {
    second.close(true);
    until("the first is asked", async || first.asked() > 0).await;
    second.close(false);
}

/// Where the balance is in an answer about a proven account.
const BALANCE: usize = 8 + 8 + 32 + 4;

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_checked_and_liars_are_replaced() {
    let scene = Scene::new().await;
    let proven = Request::Account {
        index: 1,
        at: StateAt::Proven,
    };
    let at = |at| Request::Account { index: 1, at };

    // What is true is believed, and says what it rests on.
    let honest = Node::honest(&scene).await;
    let light = start(&scene, &[scene.l1()], &[&honest], None).await;
    for (state, stage) in [
        (StateAt::Proven, Stage::Proven),
        (StateAt::Committed, Stage::Committed),
        (StateAt::Soft, Stage::Soft),
    ] {
        let answer = light.account(1, state).await.unwrap();
        let Leaf::Account { account, .. } = answer.proof.leaf else {
            panic!("there is an account");
        };
        assert_eq!(Some(&account), scene.view(state).state.account(1));
        assert_eq!(
            (answer.checked.stage, answer.checked.batch),
            (stage, scene.view(state).origin.batch())
        );
        assert_eq!((answer.checked.peer, answer.checked.proofs), (Some(honest.id()), false));
        assert_eq!(answer.checked.l1.len(), 1);
        assert_eq!(answer.checked.l1[0].0, scene.l1());
        // Nobody has the index yet.
        let nobody = light.account(77, state).await.unwrap();
        assert!(matches!(nobody.proof.leaf, Leaf::Absent { .. }) && nobody.checked.stage == stage);
    }
    let balances = [StateAt::Proven, StateAt::Committed, StateAt::Soft].map(|at| scene.balance(at, 1));
    assert!(
        balances[0] != balances[1] && balances[1] != balances[2],
        "the stages differ: {balances:?}"
    );
    for (batch, stage) in [(scene.proven, Stage::Proven), (scene.proven + 1, Stage::Committed)] {
        let answer = light.operation(batch, 0).await.unwrap();
        assert_eq!((answer.checked.stage, answer.checked.batch), (stage, batch));
        let found = light.batch(batch).await.unwrap();
        assert_eq!(
            (found.checked.stage, found.root.is_some()),
            (stage, stage == Stage::Proven)
        );
    }
    let unknown = light.operation(scene.proven, 1_000).await;
    assert!(matches!(unknown, Err(LightError::NoPeer { .. })), "{unknown:?}");
    let beyond = light.operation(scene.proven + 2, 0).await;
    assert!(matches!(beyond, Err(LightError::NotCommitted { .. })), "{beyond:?}");
    assert_eq!(light.status().await.unwrap().banned, 0);
    light.shutdown().await;

    // A wallet's transaction goes on to peers.
    let light = start(&scene, &[scene.l1()], &[&honest], None).await;
    let id = light.submit(scene.transfer.clone()).await.unwrap();
    until("the transaction arrives", async || honest.heard() == 1).await;
    assert_eq!(id.to_string(), scene.transfer_id());
    let mut forged = scene.transfer.clone();
    forged.transaction.fee += 1;
    let forged = light.submit(forged).await;
    assert!(matches!(forged, Err(LightError::Refused(_))), "{forged:?}");
    light.shutdown().await;

    caught(
        &scene,
        "a changed balance",
        proven,
        Lie::new(|_, mut body| {
            body[BALANCE + 7] ^= 1;
            body
        }),
    )
    .await;
    caught(
        &scene,
        "bytes behind the end",
        proven,
        Lie::new(|_, body| [body, vec![0]].concat()),
    )
    .await;
    caught(&scene, "no bytes", proven, Lie::new(|_, _| Vec::new())).await;
    caught(
        &scene,
        "a balance that no account can have",
        proven,
        Lie::new(|_, mut body| {
            body[BALANCE] = 0xff;
            body
        }),
    )
    .await;
    let next = scene.view(StateAt::Proven).state.next();
    caught(
        &scene,
        "an account that is said not to be",
        proven,
        Lie::new(move |_, body| {
            let tree = body[body.len() - 32..].to_vec();
            assert!(next > 1);
            [&body[..8], &1u64.to_be_bytes(), &tree].concat()
        }),
    )
    .await;
    // The right path of the state before, passed off as the proven one's.
    let older = scene.states[&(scene.proven - 1)].clone();
    let batch = scene.proven;
    caught(
        &scene,
        "an older state",
        proven,
        Lie::new(move |_, _| {
            let origin = Origin::Proven { batch };
            lie(&older, origin, 1)
        }),
    )
    .await;

    // A header that claims what the liar would like.
    let rich = scene.enriched(StateAt::Committed, 1);
    let Origin::Committed(header) = scene.view(StateAt::Committed).origin else {
        panic!("it is a header");
    };
    let state = word_bytes(&rich.root());
    let forged = BlockHeader { state, ..header };
    let body = lie(&rich, Origin::Committed(forged), 1);
    caught(&scene, "another header", at(StateAt::Committed), Lie::says(body)).await;
    let body = lie(&rich, Origin::Committed(header), 1);
    caught(
        &scene,
        "another state under the header",
        at(StateAt::Committed),
        Lie::says(body),
    )
    .await;

    let rich = scene.enriched(StateAt::Soft, 1);
    let Origin::Soft(signed) = scene.view(StateAt::Soft).origin else {
        panic!("it is a signed header");
    };
    let state = word_bytes(&rich.root());
    let forged = BlockHeader { state, ..signed.header };
    let stranger = scene.world.chain.key(5).unwrap();
    let by_stranger = forged.sign(&scene.id(), &stranger).unwrap();
    let says = |signed: SignedHeader| {
        let origin = Origin::Soft(signed);
        Lie::says(lie(&rich, origin, 1))
    };
    caught(&scene, "a stranger's header", at(StateAt::Soft), says(by_stranger)).await;
    caught(
        &scene,
        "another state under the leader's header",
        at(StateAt::Soft),
        says(signed),
    )
    .await;
    let header = forged;
    caught(
        &scene,
        "the leader's signature of another header",
        at(StateAt::Soft),
        says(SignedHeader { header, ..signed }),
    )
    .await;

    let place = |batch, position| Request::Operation { batch, position };
    let wide = (1..=scene.proven)
        .find(|batch| scene.body(&place(*batch, 1)).is_some())
        .unwrap();
    caught(
        &scene,
        "another operation",
        place(wide, 0),
        Lie::new(|_, mut body| {
            body[8] ^= 1;
            body
        }),
    )
    .await;
    let other = Lie::says(scene.body(&place(wide, 1)).unwrap());
    caught(&scene, "an operation of another place", place(wide, 0), other).await;

    // What is of another time is no lie: the next one is asked, and nobody is banned.
    let older = scene.states[&0].clone();
    let stale = Lie::new(move |_, _| {
        let origin = Origin::Proven { batch: 0 };
        lie(&older, origin, 1)
    });
    let late = Node::liar(&scene, stale).await;
    let light = start(&scene, &[scene.l1()], &[&late, &honest], None).await;
    let (answer, ()) = tokio::join!(light.account(1, StateAt::Proven), first(&late, &honest));
    assert_eq!(answer.unwrap().checked.peer, Some(honest.id()));
    let status = light.status().await.unwrap();
    assert_eq!((status.banned, status.peers.len()), (0, 2));
    light.shutdown().await;

    // Nobody but liars: no answer is better than theirs.
    let wrong = Node::liar(&scene, Lie::new(|_, _| vec![7; 90])).await;
    let mut settings = settings(&scene, &[scene.l1()], &[&wrong]);
    settings.patience = Duration::from_secs(1);
    let light = connected(settings, 1).await;
    let nothing = light.account(1, StateAt::Proven).await;
    assert!(
        matches!(nothing, Err(LightError::NoPeer { asked: 1, .. })),
        "{nothing:?}"
    );
    light.shutdown().await;
    process(&scene, &honest).await;
    silence(&scene, &honest).await;
}

/// Peers that are silent, and say that they are further than everybody, cost neither the answer nor all of the time for it.
async fn silence(scene: &Scene, honest: &Node) {
    let silent = [
        Node::silent(scene).await,
        Node::silent(scene).await,
        Node::silent(scene).await,
    ];
    let [one, two, three] = &silent;
    for at in [StateAt::Proven, StateAt::Soft] {
        // Their questions do not end before this one's time does.
        let mut settings = settings(scene, &[scene.l1()], &[one, two, three, honest]);
        settings.network.sync.timeout_ms = 3_600_000;
        let light = connected(settings, 4).await;
        for _ in 0..2 {
            let answer = light.account(1, at).await.unwrap();
            assert_eq!(answer.checked.peer, Some(honest.id()));
        }
        if at == StateAt::Soft {
            // Each was asked once: whoever was silent comes last.
            assert!(silent.iter().all(|node| node.asked() == 1));
        }
        light.shutdown().await;
        // What they say of proven and committed batches beyond L1's does not put them first.
        assert!(at == StateAt::Soft || silent.iter().all(|node| node.asked() <= 1));
        silent.iter().for_each(Node::forget);
    }
}

/// A leader that leaves in its slot makes no liar of whoever shows its block.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_leaves_makes_nobody_a_liar() {
    let scene = Scene::new().await;
    let honest = Node::honest(&scene).await;
    let mut settings = settings(&scene, &[scene.l1()], &[&honest]);
    settings.patience = Duration::from_secs(2);
    let light = connected(settings, 1).await;
    let answer = light.account(1, StateAt::Soft).await.unwrap();
    assert_eq!(answer.checked.stage, Stage::Soft);
    let other = scene.l1_with(1).await;
    let staking = Staking::new(&other, scene.world.deployment.staking);
    let stake = staking.constants().await.unwrap().min_stake;
    staking.register(other.sender(), 1, [2; 32], stake).await.unwrap();
    let leader = scene.l1_with(0).await;
    let staking = Staking::new(&leader, scene.world.deployment.staking);
    staking.request_exit(leader.sender()).await.unwrap();
    let refused = light.account(1, StateAt::Soft).await;
    let Err(LightError::NoPeer { last, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert!(last.contains("is signed by the validator"), "{last}");
    assert_eq!(light.status().await.unwrap().banned, 0);
    light.shutdown().await;
}

// THE PROCESS
// ================================================================================================================

struct Process {
    child: Child,
    rpc: HttpClient,
    address: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// `starling light` with these arguments.
    fn light(args: &[String]) -> Self {
        let first = ["light", "--rpc-port", "0"].map(str::to_owned);
        Self::start(&[&first, args].concat())
    }

    fn start(args: &[String]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_starling"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        let url = url.expect("it listens");
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        let rpc = HttpClientBuilder::default().build(url).unwrap();
        Self { child, rpc, address }
    }

    async fn ask(&self, method: &str, params: jsonrpsee::core::params::ArrayParams) -> Result<Value, Value> {
        match self.rpc.request(method, params).await {
            Ok(value) => Ok(value),
            Err(jsonrpsee::core::ClientError::Call(error)) => {
                Err(json!({ "code": error.code(), "message": error.message() }))
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// `VmRSS` and `VmHWM` of the process, in KiB.
    fn memory(&self) -> [u64; 2] {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        ["VmRSS:", "VmHWM:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().trim_end_matches(" kB").parse().unwrap()
        })
    }
}

/// The binary: it starts at once, keeps little, and answers like a full node.
async fn process(scene: &Scene, honest: &Node) {
    let args = [
        "--l1",
        scene.l1(),
        "--rollup",
        &scene.id().contract.to_string(),
        "--peer",
        &honest.address.to_string(),
    ]
    .map(str::to_owned);
    let light = Process::light(&args);
    let account = light.ask("starling_account", rpc_params![1]).await.unwrap();
    assert_eq!(account["balance"], json!(scene.balance(StateAt::Proven, 1).to_string()));
    assert_eq!((&account["stage"], &account["index"]), (&json!("proven"), &json!(1)));
    assert_eq!(account["checked"]["l1"][0]["url"], json!(scene.l1()));
    assert_eq!(
        account["root"],
        json!(hex_word(&scene.view(StateAt::Proven).state.root()))
    );
    assert_eq!(account["siblings"].as_array().unwrap().len(), 32);
    for _ in 0..30 {
        for stage in ["proven", "committed", "soft"] {
            let account = light.ask("starling_account", rpc_params![2, stage]).await.unwrap();
            assert_eq!(account["stage"], json!(stage));
        }
    }
    let nobody = light
        .ask("starling_account", rpc_params![77, "committed"])
        .await
        .unwrap();
    assert!(
        nobody["address"].is_null() && nobody["stage"] == json!("committed"),
        "{nobody}"
    );
    let operation = light
        .ask("starling_operation", rpc_params![scene.proven, 0])
        .await
        .unwrap();
    assert_eq!(operation["stage"], json!("proven"));
    let batch = light.ask("starling_batch", rpc_params![scene.proven]).await.unwrap();
    assert_eq!(batch["root"], account["root"]);
    let status = light.ask("starling_status", rpc_params![]).await.unwrap();
    assert_eq!(
        (&status["role"], &status["proven"]),
        (&json!("light"), &json!(scene.proven))
    );
    assert!(
        status["disagreement"].is_null() && status["verified"].is_null(),
        "{status}"
    );
    let refused = light
        .ask("starling_accountsOf", rpc_params!["star1"])
        .await
        .unwrap_err();
    assert_eq!(refused["code"], json!(-32_013));
    assert!(refused["message"].as_str().unwrap().contains("full node"), "{refused}");
    let beyond = light.ask("starling_batch", rpc_params![99]).await.unwrap_err();
    assert_eq!(beyond["code"], json!(-32_014));
    refuses_a_long_batch(light.address).await;
    let [now, most] = light.memory();
    println!("{now} KiB now, {most} KiB at most");
    assert!(most < 50 << 10, "{most} KiB");
    drop(light);
    configured(scene, honest).await;
}

/// The same as a role of `starling node run`: what the file says counts.
async fn configured(scene: &Scene, honest: &Node) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("light.toml");
    let write = |chain_id: u64| {
        let text = format!(
            "role = \"light\"\ndata = \"data\"\n[l1]\nurl = \"{url}\"\nchain_id = {chain_id}\n\
             [rollup]\naddress = \"{rollup}\"\ndeployed = 0\n[light]\nendpoints = [\"{url}\"]\nverify_proofs = true\n\
             [rpc]\nlisten = \"127.0.0.1:0\"\n[p2p]\nbootstrap = [\"{peer}\"]\n",
            url = scene.l1(),
            rollup = scene.id().contract,
            peer = honest.address,
        );
        std::fs::write(&file, text).unwrap();
    };
    let args = ["node", "run", "--config", file.to_str().unwrap()].map(str::to_owned);
    write(scene.id().chain_id);
    let light = Process::start(&args);
    let account = light.ask("starling_account", rpc_params![1]).await.unwrap();
    assert_eq!(
        (&account["stage"], &account["checked"]["proofs"]),
        (&json!("proven"), &json!(true))
    );
    assert_eq!(account["checked"]["l1"].as_array().unwrap().len(), 2);
    let status = light.ask("starling_status", rpc_params![]).await.unwrap();
    assert_eq!(
        (&status["role"], &status["verified"]),
        (&json!("light"), &json!(scene.proven))
    );
    drop(light);
    assert!(!folder.path().join("data").exists(), "a light node keeps nothing");
    write(scene.id().chain_id + 1);
    let mut refused = Command::new(env!("CARGO_BIN_EXE_starling"))
        .args(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(refused.stdout.take().unwrap())
        .read_line(&mut first)
        .unwrap();
    // One that listens would run on.
    let _ = refused.kill();
    let refused = refused.wait_with_output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(first.is_empty() && said.contains("l1.chain_id"), "{first}{said}");
}

// L1 ENDPOINTS
// ================================================================================================================

#[tokio::test(flavor = "multi_thread")]
async fn l1_is_not_taken_at_its_word() {
    let scene = Scene::new().await;
    let honest = Node::honest(&scene).await;
    let asks = |request: &str, function: &str, batch: u64| {
        request.contains(&hex(&ROLLUP.encode(function, &[abi::uint(batch)]).unwrap()))
    };
    let proven = scene.proven;
    let real = hex(&word_bytes(&scene.view(StateAt::Proven).state.root()));
    // A state in which the liar is rich.
    let rich = scene.enriched(StateAt::Proven, 1);
    let false_root = hex(&word_bytes(&rich.root()));
    let lying = {
        let (real, false_root) = (real.clone(), false_root.clone());
        Proxy::start(scene.l1(), move |request, answer| {
            match asks(request, "roots", proven) {
                true => answer.replace(&real, &false_root),
                false => answer,
            }
        })
    };
    // One that has not seen the last proof.
    let earlier = scene.ends[scene.ends.len() - 2];
    let behind = Proxy::start(scene.l1(), move |request, answer| {
        let question = hex(&ROLLUP.encode("proven", &[]).unwrap());
        let late = format!("0x{proven:064x}");
        match request.contains(&question) {
            true => answer.replace(&late, &format!("0x{earlier:064x}")),
            false => answer,
        }
    });

    // Two that disagree are told, and nothing is answered.
    let light = start(&scene, &[scene.l1(), lying.url()], &[&honest], None).await;
    for _ in 0..2 {
        let refused = light.account(1, StateAt::Proven).await;
        let Err(LightError::Disagreement(found)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(found.said.len(), 2);
        assert!(
            found.said[0].1.contains(&real) && found.said[1].1.contains(&false_root),
            "{found}"
        );
    }
    let refused = light.operation(proven, 0).await;
    assert!(matches!(refused, Err(LightError::Disagreement(_))), "{refused:?}");
    assert!(light.status().await.unwrap().disagreement.is_some());
    // Until they agree.
    lying.tell_the_truth(true);
    until("they agree", async || light.account(1, StateAt::Proven).await.is_ok()).await;
    let answer = light.account(1, StateAt::Proven).await.unwrap();
    assert_eq!(answer.checked.l1.len(), 2);
    assert!(light.status().await.unwrap().disagreement.is_none());
    // One that falls silent is named, and not counted.
    lying.silence(true);
    until("one is silent", async || {
        light.status().await.unwrap().endpoints[1].trouble.is_some()
    })
    .await;
    let answer = light.account(1, StateAt::Proven).await.unwrap();
    assert_eq!(answer.checked.l1.len(), 1);
    lying.silence(false);
    lying.tell_the_truth(false);
    assert_eq!(light.status().await.unwrap().banned, 0, "no peer is to blame");
    light.shutdown().await;

    // One that is behind is no disagreement; what counts is what both have.
    let light = start(&scene, &[scene.l1(), behind.url()], &[&honest], None).await;
    let status = light.status().await.unwrap();
    assert_eq!((status.batches.unwrap().0, status.disagreement), (earlier, None));
    let mut settings = settings(&scene, &[scene.l1(), behind.url()], &[&honest]);
    settings.patience = Duration::from_secs(1);
    let hasty = connected(settings, 1).await;
    let ahead = hasty.account(1, StateAt::Proven).await;
    assert!(matches!(ahead, Err(LightError::NoPeer { .. })), "{ahead:?}");
    assert_eq!(hasty.status().await.unwrap().banned, 0);
    hasty.shutdown().await;
    behind.tell_the_truth(true);
    assert!(light.account(1, StateAt::Proven).await.is_ok());
    light.shutdown().await;

    // One endpoint that lies and a node that lies with it: only proofs show it.
    let with_it = Node::liar(&scene, {
        let body = lie(&rich, Origin::Proven { batch: proven }, 1);
        Lie::new(move |request, honest| match request {
            Request::Account {
                at: StateAt::Proven, ..
            } => body.clone(),
            _ => honest,
        })
    })
    .await;
    let light = start(&scene, &[lying.url()], &[&with_it], None).await;
    let believed = light.account(1, StateAt::Proven).await.unwrap();
    assert!(
        matches!(believed.proof.leaf, Leaf::Account { account: Account { balance, .. }, .. } if balance == scene::RICH)
    );
    light.shutdown().await;
    let light = start(&scene, &[lying.url()], &[&with_it], Some(Point::genesis())).await;
    until("the lie is found", async || {
        light.status().await.unwrap().contradiction.is_some()
    })
    .await;
    let refused = light.account(1, StateAt::Proven).await;
    let Err(LightError::Contradiction(found)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (found.batch, found.l1, found.proofs),
        (proven, format!("0x{false_root}"), format!("0x{real}"))
    );
    let status = light.status().await.unwrap();
    assert_eq!((status.verified, status.banned), (Some(earlier), 0));
    lying.tell_the_truth(true);
    until("the truth is told", async || {
        light.status().await.unwrap().verified == Some(proven)
    })
    .await;
    assert!(light.status().await.unwrap().contradiction.is_none());
    light.shutdown().await;

    proofs(&scene, &honest).await;
}

// PROOFS
// ================================================================================================================

async fn proofs(scene: &Scene, honest: &Node) {
    let proven = scene.proven;
    let light = start(scene, &[scene.l1()], &[honest], Some(Point::genesis())).await;
    // The answer waits for the proofs.
    let answer = light.account(1, StateAt::Proven).await.unwrap();
    assert!(answer.checked.proofs && answer.checked.batch == proven);
    assert_eq!(light.status().await.unwrap().verified, Some(proven));
    assert_eq!(light.operation(proven, 0).await.unwrap().checked.stage, Stage::Proven);
    light.shutdown().await;

    // The same as a process, and what that takes.
    let args = [
        "--l1",
        scene.l1(),
        "--rollup",
        &scene.id().contract.to_string(),
        "--peer",
        &honest.address.to_string(),
        "--verify-proofs",
    ]
    .map(str::to_owned);
    let light = Process::light(&args);
    let account = light.ask("starling_account", rpc_params![1]).await.unwrap();
    assert_eq!(account["checked"]["proofs"], json!(true));
    let status = light.ask("starling_status", rpc_params![]).await.unwrap();
    assert_eq!(status["verified"], json!(proven));
    let [now, most] = light.memory();
    println!("with proofs: {now} KiB now, {most} KiB at most");
    assert!(most < 50 << 10, "{most} KiB");
    drop(light);

    // A proof that was changed, one of another place in the chain, one with another payee.
    type Change = fn(Vec<u8>) -> Vec<u8>;
    let changes: [(&str, Change); 4] = [
        ("a changed proof", |mut body| {
            let middle = body.len() / 2;
            body[middle] ^= 1;
            body
        }),
        ("another payee", |mut body| {
            body[16 + 4 * 32] ^= 1;
            body
        }),
        ("another root", |mut body| {
            body[16 + 2 * 32 + 31] ^= 1;
            body
        }),
        ("half a proof", |mut body| {
            body.truncate(body.len() / 2);
            body
        }),
    ];
    for (what, change) in changes {
        let lie = Lie::new(move |request, body| match request {
            Request::Proof { .. } => change(body),
            _ => body,
        });
        let liar = Node::liar(scene, lie).await;
        // Verifying begins at once: the honest one waits until the liar has had its say.
        honest.close(true);
        let mut settings = settings(scene, &[scene.l1()], &[&liar, honest]);
        settings.verify = Some(Point::genesis());
        let light = Light::start(settings).await.unwrap();
        until("the liar is caught", async || light.status().await.unwrap().banned == 1).await;
        honest.close(false);
        until(what, async || light.status().await.unwrap().verified == Some(proven)).await;
        assert!(
            light.account(1, StateAt::Proven).await.unwrap().checked.proofs,
            "{what}"
        );
        let status = light.status().await.unwrap();
        assert_eq!((status.banned, status.peers), (1, vec![honest.id()]), "{what}");
        light.shutdown().await;
    }

    // From a checkpoint; from a false one nothing follows.
    let earlier = scene.ends[scene.ends.len() - 2];
    let checkpoint = Point {
        batch: earlier,
        root: scene.states[&earlier].root(),
        digest: scene.digests[&earlier],
    };
    let light = start(scene, &[scene.l1()], &[honest], Some(checkpoint)).await;
    assert!(light.account(1, StateAt::Proven).await.unwrap().checked.proofs);
    light.shutdown().await;
    let root = scene.states[&proven].root();
    let light = start(scene, &[scene.l1()], &[honest], Some(Point { root, ..checkpoint })).await;
    until("it is found out", async || {
        light.status().await.unwrap().contradiction.is_some()
    })
    .await;
    let refused = light.account(1, StateAt::Proven).await;
    assert!(matches!(refused, Err(LightError::Contradiction(_))), "{refused:?}");
    light.shutdown().await;
}

// THE PAGE
// ================================================================================================================

/// Methods, parameters, fields and codes of `specs/light.md` are those of the code.
#[test]
fn the_page_has_what_the_code_answers() {
    const PAGE: &str = include_str!("../../../specs/light.md");
    const CODE: &str = include_str!("../../src/light/rpc.rs");
    let quoted = |text: &str| {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let (_, page) = PAGE.split_once("## JSON-RPC").unwrap();
    let mut methods = 0;
    for line in page.lines().filter(|line| line.starts_with("| `starling_")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let method = cells[1].trim_matches('`').strip_prefix("starling_").unwrap();
        let (_, rest) = CODE.split_once(&format!("#[method(name = \"{method}\")]")).unwrap();
        let (parameters, _) = rest.split_once("(&self").unwrap().1.split_once(')').unwrap();
        let names = parameters
            .split(',')
            .filter_map(|text| Some(text.split_once(':')?.0.trim().to_owned()));
        let known = ["proven", "committed", "soft"].map(str::to_owned);
        let told = quoted(cells[2]).into_iter().filter(|name| !known.contains(name));
        assert!(names.eq(told), "{method}");
        methods += 1;
        if let Some((_, rest)) = CODE.split_once(&format!("/// `starling_{method}`.")) {
            let (body, _) = rest.split_once("\n}").unwrap();
            let fields = body
                .lines()
                .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'));
            let fields: Vec<String> = fields.map(|(name, _)| name.to_owned()).collect();
            assert_eq!(fields, quoted(cells[3]), "{method}");
        }
    }
    assert_eq!(methods, 5);
    let (_, codes) = CODE.split_once("pub mod code").unwrap();
    let (codes, _) = codes.split_once("\n}").unwrap();
    for code in codes.lines().filter_map(|line| line.split_once("i32 = ")) {
        let code = code.1.trim_end_matches(';').replace('_', "");
        assert!(page.contains(&code), "{code}");
    }
}
