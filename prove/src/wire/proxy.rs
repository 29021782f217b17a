//! The listening end: one task a connection, forwarding round by round.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use super::frames::{Frame, read_body, write_body};
use super::round::{Answer, Names, Outgoing, Round, TxState};

const PORT: u16 = 5432;
const SSL_REQUEST: i32 = 80_877_103;
const GSS_REQUEST: i32 = 80_877_104;
const CANCEL_REQUEST: i32 = 80_877_102;

/// What a gate says to a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Go {
    /// It goes to the server.
    On,
    /// The connection ends before the server gets it.
    CutBefore,
    /// The server carries it out, and the connection ends before the client hears of it.
    CutAfter,
}

/// Stands between a client and its server.
#[async_trait]
pub trait Gate: Send + Sync + 'static {
    /// Other SQL in place of this. Parameters and columns must stay as they are.
    fn rewrite(&self, _sql: &str) -> Option<String> {
        None
    }

    /// Called before a round that executes something is sent; may wait.
    async fn before(&self, round: &Round) -> Go;

    /// Called once the server has answered it, before the client hears.
    fn after(&self, _round: &Round, _answer: &Answer) {}
}

/// A socket that speaks for a PostgreSQL server. It closes with the value.
#[derive(Debug)]
pub struct Wire {
    options: PgConnectOptions,
    accepting: JoinHandle<()>,
    _dir: TempDir,
}

#[derive(Clone)]
enum Server {
    Unix(PathBuf),
    Tcp(String, u16),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Wire {
    /// Listens on a socket of its own before this server, which must not ask for TLS.
    ///
    /// # Errors
    /// The socket could not be made.
    pub fn listen(server: &PgConnectOptions, gate: Arc<dyn Gate>) -> io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("hk-wire").tempdir()?;
        let listener = UnixListener::bind(dir.path().join(format!(".s.PGSQL.{PORT}")))?;
        let options = server
            .clone()
            .socket(dir.path())
            .port(PORT)
            .ssl_mode(PgSslMode::Disable);
        let file = format!(".s.PGSQL.{}", server.get_port());
        let server = match (server.get_socket(), server.get_host()) {
            (Some(socket), _) => Server::Unix(socket.join(file)),
            (None, host) if host.starts_with('/') => Server::Unix(PathBuf::from(host).join(file)),
            (None, host) => Server::Tcp(host.to_owned(), server.get_port()),
        };
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let mut n = 0;
            while let Ok((client, _)) = listener.accept().await {
                n += 1;
                let (server, gate) = (server.clone(), Arc::clone(&gate));
                // A connection's end is seen by its client.
                connections.spawn(async move { forward(client, server, &*gate, n).await.ok() });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            options,
            accepting,
            _dir: dir,
        })
    }

    /// How to connect through it.
    #[must_use]
    pub fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connect(server: &Server) -> io::Result<Box<dyn Stream>> {
    Ok(match server {
        Server::Unix(path) => Box::new(UnixStream::connect(path).await?),
        Server::Tcp(host, port) => Box::new(TcpStream::connect((host.as_str(), *port)).await?),
    })
}

async fn forward(client: UnixStream, to: Server, gate: &dyn Gate, n: usize) -> io::Result<()> {
    let mut client = BufReader::new(client);
    let hello = loop {
        let body = read_body(&mut client).await?;
        let frame = Frame { tag: 0, body };
        match frame.number() {
            SSL_REQUEST | GSS_REQUEST => client.write_all(b"N").await?,
            _ => break frame,
        }
    };
    let mut server = BufReader::new(connect(&to).await?);
    let mut bytes = Vec::new();
    write_body(&hello.body, &mut bytes);
    server.write_all(&bytes).await?;
    if hello.number() == CANCEL_REQUEST {
        return Ok(());
    }
    let Some(pid) = log_in(&mut client, &mut server).await? else {
        return Ok(());
    };

    let mut names = Names::default();
    loop {
        let mut outgoing = Outgoing::default();
        loop {
            let Some(frame) = Frame::read(&mut client).await? else {
                return Ok(());
            };
            let end = frame.tag == b'X';
            let whole = outgoing.take(frame, &mut names, |sql| gate.rewrite(sql));
            if end {
                return server.write_all(&outgoing.bytes).await;
            }
            if whole {
                break;
            }
        }
        let round = Round {
            connection: n,
            pid,
            statements: outgoing.statements,
        };
        let asked = !round.statements.is_empty();
        let go = if asked {
            gate.before(&round).await
        } else {
            Go::On
        };
        if go == Go::CutBefore {
            return Ok(());
        }
        server.write_all(&outgoing.bytes).await?;
        let Some((bytes, answer)) = answer(&mut client, &mut server).await? else {
            return Ok(());
        };
        if asked {
            gate.after(&round, &answer);
        }
        if go == Go::CutAfter {
            return Ok(());
        }
        client.write_all(&bytes).await?;
    }
}

/// Forwards until the server is ready, and learns its process.
async fn log_in(
    client: &mut BufReader<UnixStream>,
    server: &mut BufReader<Box<dyn Stream>>,
) -> io::Result<Option<i32>> {
    let mut pid = 0;
    loop {
        let Some(frame) = Frame::read(server).await? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        client.write_all(&bytes).await?;
        match (frame.tag, frame.number()) {
            (b'K', process) => pid = process,
            (b'Z', _) => return Ok(Some(pid)),
            // Passwords and SASL: the client says something next.
            (b'R', 3 | 5 | 10 | 11) => {
                let Some(reply) = Frame::read(client).await? else {
                    return Ok(None);
                };
                let mut bytes = Vec::new();
                reply.write(&mut bytes);
                server.write_all(&bytes).await?;
            }
            _ => {}
        }
    }
}

/// All that the server says until it is ready again.
async fn answer(
    client: &mut BufReader<UnixStream>,
    server: &mut BufReader<Box<dyn Stream>>,
) -> io::Result<Option<(Vec<u8>, Answer)>> {
    let mut bytes = Vec::new();
    let mut error = None;
    loop {
        let Some(frame) = Frame::read(server).await? else {
            client.write_all(&bytes).await?;
            return Ok(None);
        };
        frame.write(&mut bytes);
        match frame.tag {
            b'E' => error = error.or(frame.code()),
            b'Z' => {
                let state = TxState::of(frame.body.first());
                return Ok(Some((bytes, Answer { state, error })));
            }
            // The server wants data: it comes from the client, and the answer goes on after it.
            b'G' => {
                client.write_all(&bytes).await?;
                bytes.clear();
                loop {
                    let Some(data) = Frame::read(client).await? else {
                        return Ok(None);
                    };
                    let mut out = Vec::new();
                    data.write(&mut out);
                    server.write_all(&out).await?;
                    if matches!(data.tag, b'c' | b'f') {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
}
