//! `starling devnet` as a user runs it, and `scripts/check-l1`, which shares no code with it, looking at it from outside.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use starling_node::l1::hex;
use starling_rollup::chain::word_bytes;
use starling_rollup::kernel;

/// A devnet in a process group of its own: its chain and its operator end with it, however the test ends.
struct Devnet(Child);

impl Devnet {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_starling"));
        command.arg("devnet").args(args).process_group(0);
        let streams = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Self(streams.spawn().unwrap())
    }

    /// What it prints until the line that starts with `last`, or to its end.
    fn output(&mut self, last: Option<&str>) -> String {
        let mut text = String::new();
        for line in BufReader::new(self.0.stdout.as_mut().unwrap()).lines() {
            let line = line.unwrap();
            text += &format!("{line}\n");
            if last.is_some_and(|last| line.starts_with(last)) {
                break;
            }
        }
        text
    }
}

impl Drop for Devnet {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.0);
        let _ = kill_process_group(group, Signal::INT);
        let asked = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && asked.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(100));
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

/// Two loopback ports that nobody listens at.
fn free_ports() -> [u16; 2] {
    let listeners = [0; 2].map(|port| TcpListener::bind(("127.0.0.1", port)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// The body of an HTTP message, by its length or to the end.
fn body(stream: &mut impl Read) -> std::io::Result<String> {
    let mut reader = BufReader::new(stream);
    let mut length = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok();
        }
    }
    let mut body = String::new();
    reader.take(length.unwrap_or(u64::MAX)).read_to_string(&mut body)?;
    Ok(body)
}

/// An endpoint that passes requests to another port and gives back what `change` makes of request and answer; its port.
fn liar(port: u16, change: fn(&str, String) -> String) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let serve = move |mut stream: TcpStream| -> std::io::Result<()> {
        let request = body(&mut stream)?;
        let mut target = TcpStream::connect(("127.0.0.1", port))?;
        let length = request.len();
        let head = format!(
            "POST / HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        target.write_all((head + &request).as_bytes())?;
        let answer = change(&request, body(&mut target)?);
        write!(
            stream,
            "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        )
    };
    // It ends with the process; a request that fails is one that the script sees fail.
    spawn(move || listener.incoming().flatten().for_each(|stream| drop(serve(stream))));
    address.port()
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/check-l1")
}

/// Exit code and report of the script.
fn check(l1: u16, operator: u16, kernel: &str) -> (i32, Value) {
    let output = Command::new(script())
        .args([format!("http://127.0.0.1:{l1}"), format!("http://127.0.0.1:{operator}")])
        .args(["--json", "--kernel", kernel])
        .output()
        .unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (
        output.status.code().unwrap(),
        report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))),
    )
}

/// The numbers of the checks with this answer, in order; `null` is a question that could not be asked.
fn answered(report: &Value, answer: &Value) -> Vec<u64> {
    let lines = report["checks"].as_array().unwrap().iter();
    let mut numbers: Vec<u64> = lines
        .filter(|line| line["holds"] == *answer)
        .map(|line| line["check"].as_u64().unwrap())
        .collect();
    numbers.dedup();
    numbers
}

/// A digit deep in an evaluator's code is another one.
fn change_code(request: &str, answer: String) -> String {
    if !request.contains("eth_getCode") {
        return answer;
    }
    let middle = answer.len() / 2;
    let digit = if answer[middle..].starts_with('0') { "1" } else { "0" };
    format!("{}{digit}{}", &answer[..middle], &answer[middle + 1..])
}

/// The operator claims a bit more than is proven.
fn change_bits(_request: &str, answer: String) -> String {
    answer.replace(r#""proven_bits":100"#, r#""proven_bits":101"#)
}

/// Four operators, a prover, a full node and a light node do the same, and each proof is found with whoever made it.
#[test]
fn a_devnet_of_several_operators_stands_up_to_a_look_from_outside() {
    let kernel = format!("0x{}", hex(&word_bytes(&kernel::program().hash())));
    let mut devnet = Devnet::start(&["--operators", "4", "--transfers", "16"]);
    let printed = devnet.output(Some("running"));
    assert!(printed.contains("running"), "{printed}");
    let url = |name: &str| {
        let line = printed
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name} JSON-RPC")));
        line.unwrap_or_else(|| panic!("{name} in {printed}")).trim().to_owned()
    };
    let mut asked = vec![url("L1")];
    asked.extend(["operator-1", "operator-2", "operator-3", "operator-4", "prover"].map(url));
    let output = Command::new(script())
        .args(asked)
        .args(["--json", "--kernel", &kernel])
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.code(), Some(0), "{report:#}");
    assert_eq!(answered(&report, &true.into()), [1, 2, 3, 4, 5, 6]);
    let light = url("light");
    assert!(light.starts_with("http://127.0.0.1:"), "{light}");
}

#[test]
fn a_devnet_stands_up_to_a_look_from_outside() {
    let kernel = format!("0x{}", hex(&word_bytes(&kernel::program().hash())));
    {
        let [l1, operator] = free_ports();
        let ports = [l1, operator].map(|port| port.to_string());
        let mut devnet = Devnet::start(&["--transfers", "16", "--l1-port", &ports[0], "--rpc-port", &ports[1]]);
        let printed = devnet.output(Some("running"));
        assert!(printed.contains("running"), "{printed}");

        let (code, report) = check(l1, operator, &kernel);
        assert_eq!(code, 0, "{report:#}");
        assert_eq!(answered(&report, &true.into()), [1, 2, 3, 4, 5, 6]);

        // It fails where it should, and only there.
        let (code, report) = check(liar(l1, change_code), operator, &kernel);
        assert_eq!((code, answered(&report, &false.into())), (1, vec![1]), "{report:#}");
        let (code, report) = check(l1, liar(operator, change_bits), &kernel);
        assert_eq!((code, answered(&report, &false.into())), (1, vec![2]), "{report:#}");
        let other = format!("0x{}", "11".repeat(32));
        let (code, report) = check(l1, operator, &other);
        assert_eq!((code, answered(&report, &false.into())), (1, vec![3]), "{report:#}");
        // Without an answer it does not say yes.
        let [nobody, _] = free_ports();
        let (code, report) = check(l1, nobody, &kernel);
        assert_eq!((code, report["unasked"].as_u64()), (2, Some(1)), "{report:#}");
    }

    let printed = Devnet::start(&["--transfers", "16", "--exit", "--json"]).output(None);
    let outcome: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"));
    let number = |name: &str| outcome[name].as_f64().unwrap_or_else(|| panic!("{name} in {outcome}"));
    let within = |name: &str, least: f64, most: f64| {
        let found = number(name);
        assert!(
            (least..=most).contains(&found),
            "{name} is {found}, expected {least} to {most}"
        );
    };
    assert_eq!(outcome["onchain_verified"], true);
    assert_eq!(outcome["preset"], "settle-100");
    assert_eq!(number("proven_bits"), 100.0);
    assert_eq!(number("transfers"), 16.0);
    assert_eq!(number("withdrawals_claimed"), 2.0);
    // Deposits and transfers never share a batch here: users wait for their accounts. A batch is two transactions or more.
    within("batches", 2.0, 20.0);
    within("l1_transactions", 4.0 + number("batches"), 5.0 * number("batches"));
    assert_eq!(number("trace_rows").log2().fract(), 0.0);
    within("trace_rows", 512.0, f64::from(1 << 20));
    within("prove_seconds", 0.1, 900.0);
    within("peak_memory_mb", 10.0, 16_000.0);
    within("proof_bytes", 50_000.0, 200_000.0);
    within("gas_commit", 100_000.0, 10_000_000.0);
    within("gas_prove", 1_000_000.0, 200_000_000.0);
    let share = ((number("gas_commit") + number("gas_prove")) / 16.0).floor();
    assert_eq!(number("gas_per_transfer"), share);
    let root = outcome["state_root"].as_str().unwrap();
    assert!(root.len() == 66 && root.starts_with("0x"), "{root}");
    assert_eq!(outcome["state_root_l1"], root);
}
