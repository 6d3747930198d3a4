//! Reads and writes one question and one answer a stream: four bytes of length, the bytes, the end of the stream.

use std::io;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::StreamProtocol;
use libp2p::request_response;
use tokio::time::timeout;

use crate::request::{Answer, Kind, Question};

/// The codec of one [Kind]. A length above its limit is refused before anything is read or allocated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Codec {
    pub(crate) kind: Kind,
    pub(crate) question_bytes: usize,
    pub(crate) answer_bytes: usize,
    /// How long a peer may take nothing of the answer that is being written to it.
    pub(crate) patience: Duration,
}

/// The peer takes nothing of its answer. An error of its own, because it alone is the peer's fault: the whole time of a request
/// also runs while our node thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer takes nothing of its answer")]
pub(crate) struct Unread;

impl Unread {
    pub(crate) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|source| source.is::<Self>())
    }
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Question;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Question>
    where
        T: AsyncRead + Unpin + Send,
    {
        match read(io, self.question_bytes).await {
            Ok(bytes) => Ok(Question::from_bytes(self.kind, &bytes)),
            Err(error) => Ok(Question::Malformed(error.to_string())),
        }
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let bytes = read(io, self.answer_bytes).await?;
        Answer::from_bytes(self.kind, &bytes).map_err(invalid)
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, question: Question) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write(io, &question.to_bytes()).await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, answer: Answer) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_answer(io, &answer.to_bytes(), self.patience).await
    }
}

async fn read(io: &mut (impl AsyncRead + Unpin), limit: usize) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(invalid(format!(
            "{length} bytes are announced, at most {limit} are read"
        )));
    }
    // Grows with what arrives: an announced length alone takes no memory.
    let mut bytes = Vec::new();
    io.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match io.read(&mut [0]).await? {
        0 => Ok(bytes),
        _ => Err(invalid("bytes follow the end".to_owned())),
    }
}

async fn write(io: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    // Limits are far below 4 GiB.
    io.write_all(&(bytes.len() as u32).to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

/// Writes for as long as the peer takes a part now and then. What counts is not how long the whole takes: if the line is slow,
/// and it may be our own, that is nobody's fault.
async fn write_answer(io: &mut (impl AsyncWrite + Unpin), bytes: &[u8], patience: Duration) -> io::Result<()> {
    let unread = |_| io::Error::new(io::ErrorKind::TimedOut, Unread);
    let length = (bytes.len() as u32).to_be_bytes();
    for mut rest in [&length[..], bytes] {
        while !rest.is_empty() {
            let taken = timeout(patience, io.write(rest)).await.map_err(unread)??;
            if taken == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[taken..];
        }
    }
    timeout(patience, io.flush()).await.map_err(unread)?
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
