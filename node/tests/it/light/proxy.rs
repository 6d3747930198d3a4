//! An L1 endpoint that says what a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::spawn;

/// Passes requests on and gives back what a function makes of request and answer. It ends with the process.
pub(crate) struct Proxy {
    url: String,
    honest: Arc<AtomicBool>,
    silent: Arc<AtomicBool>,
}

impl Proxy {
    pub(crate) fn start(l1: &str, change: impl Fn(&str, String) -> String + Send + Sync + 'static) -> Self {
        let target = l1.strip_prefix("http://").unwrap().trim_end_matches('/').to_owned();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (honest, silent): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
        let (change, tells, quiet) = (Arc::new(change), honest.clone(), silent.clone());
        spawn(move || {
            for stream in listener.incoming().flatten() {
                if quiet.load(Ordering::Relaxed) {
                    continue;
                }
                let (change, tells, target) = (change.clone(), tells.clone(), target.clone());
                // A request that fails is one that the node sees fail.
                spawn(move || {
                    let change = |request: &str, answer| match tells.load(Ordering::Relaxed) {
                        true => answer,
                        false => change(request, answer),
                    };
                    drop(serve(stream, &target, change));
                });
            }
        });
        Self { url, honest, silent }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn tell_the_truth(&self, truth: bool) {
        self.honest.store(truth, Ordering::Relaxed);
    }

    pub(crate) fn silence(&self, silence: bool) {
        self.silent.store(silence, Ordering::Relaxed);
    }
}

fn serve(mut stream: TcpStream, target: &str, change: impl Fn(&str, String) -> String) -> std::io::Result<()> {
    let request = body(&mut stream)?;
    let mut connection = TcpStream::connect(target)?;
    let length = request.len();
    let head = format!(
        "POST / HTTP/1.0\r\nHost: {target}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    connection.write_all((head + &request).as_bytes())?;
    let answer = change(&request, body(&mut connection)?);
    let length = answer.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{answer}"
    )
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
