//! `hikiate health`: whether the daemon beside it is ready, in one line.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use chrono_tz::UTC;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::args::Global;
use super::failure::Failure;
use super::out::{Out, plain};
use super::run::instance::kept_in;
use crate::config::{Surroundings, listener, state_dir};
use crate::ops::health::{INSTANCE, NOT_KEPT};

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most that is read of its answer, in bytes.
const ANSWER: u64 = 64 << 10;

/// Asks `/readyz` of the configured listener, or `/healthz`. Ready is 0, everything else is not.
pub(crate) async fn health(global: &Global, alive: bool) -> Result<(), Failure> {
    let question = if alive {
        Question::Alive
    } else {
        Question::Ready
    };
    let surroundings = Surroundings::of_process();
    let listen = listener(Some(&global.config), &surroundings);
    let Some(address) = listen.map_err(Failure::Config)?.map(reachable) else {
        let why = "[http] listen is \"off\": the daemon answers nobody; set it to an address, for example \"127.0.0.1:9464\"";
        return Err(Failure::Failed(anyhow::anyhow!(why)));
    };
    let answer = match timeout(PATIENCE, ask(address, question.path())).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => {
            let what = format!("no daemon answers at {address}");
            return Err(anyhow::Error::new(error).context(what).into());
        }
        Err(_) => {
            let seconds = PATIENCE.as_secs();
            return Err(anyhow::anyhow!(
                "the daemon at {address} did not answer within {seconds} s"
            )
            .into());
        }
    };
    let state_dir = state_dir(Some(&global.config), &surroundings).map_err(Failure::Config)?;
    let judged = judged(&answer, question);
    if judged != Judged::Another
        && let Some(other) = stranger(&answer, &kept_in(&state_dir))
    {
        let state_dir = state_dir.display();
        return Err(anyhow::anyhow!(
            "another daemon answers at {address} (instance {other:?}), and not that of the state directory {state_dir}: \
             give each daemon an [http] listen of its own"
        )
        .into());
    }
    match judged {
        Judged::Ready => {
            let out = Out {
                json: global.json,
                zone: UTC,
            };
            let word = question.word();
            out.one(&json!({ word: true }), || format!("{word}\n"))
        }
        Judged::Not(reasons) => Err(anyhow::anyhow!("not ready: {reasons}").into()),
        Judged::Another => {
            Err(anyhow::anyhow!("what answers at {address} is no daemon of hikiate").into())
        }
    }
}

/// Where a listener is reached from beside it.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// What is asked of a daemon.
#[derive(Clone, Copy, Debug)]
enum Question {
    /// Whether it works as it should.
    Ready,
    /// Whether its process answers.
    Alive,
}

impl Question {
    fn path(self) -> &'static str {
        match self {
            Self::Ready => "/readyz",
            Self::Alive => "/healthz",
        }
    }

    /// The whole of a good answer.
    fn answer(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Alive => "ok",
        }
    }

    /// A good answer for whoever asked.
    fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Alive => "alive",
        }
    }
}

async fn ask(address: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The instance that an answer names. Every daemon names one; other programs say `ok`, too.
fn named(answer: &str) -> Option<&str> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    let (_, told) = fields.find(|(name, _)| name.eq_ignore_ascii_case(INSTANCE))?;
    Some(told.trim())
}

/// The instance that answered, where it is surely not the one of the state directory: a daemon may keep no id, and this user may
/// not be allowed to look.
fn stranger<'a>(answer: &'a str, mine: &io::Result<Option<String>>) -> Option<&'a str> {
    let told = named(answer).filter(|told| *told != NOT_KEPT)?;
    match mine {
        Ok(mine) if mine.as_deref() != Some(told) => Some(told),
        _ => None,
    }
}

/// What an answer says; its words may be anybody's.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    Ready,
    Not(String),
    Another,
}

fn judged(answer: &str, question: Question) -> Judged {
    if named(answer).is_none() {
        return Judged::Another;
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let reasons: Vec<&str> = body.lines().filter(|line| !line.is_empty()).collect();
    match head.split(' ').nth(1) {
        Some("200") if reasons == [question.answer()] => Judged::Ready,
        Some("503") if !reasons.is_empty() => Judged::Not(plain(&reasons.join("; "), "")),
        _ => Judged::Another,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// An answer of a daemon that names itself so.
    fn answer(status: &str, instance: &str, body: &str) -> String {
        format!("HTTP/1.1 {status}\r\nHikiate-Instance: {instance}\r\n\r\n{body}")
    }

    #[test]
    fn an_answer_is_judged_by_status_and_words() {
        let ready = answer("200 OK", "x", "ready\n");
        assert_eq!(judged(&ready, Question::Ready), Judged::Ready);
        let ok = answer("200 OK", "x", "ok\n");
        assert_eq!(judged(&ok, Question::Alive), Judged::Ready);
        assert_eq!(judged(&ok, Question::Ready), Judged::Another);
        assert_eq!(judged(&ready, Question::Alive), Judged::Another);
        let words = "database: away\nstart: not started yet\n";
        let not = answer("503 Service Unavailable", "x", words);
        let reasons = "database: away; start: not started yet".to_owned();
        assert_eq!(judged(&not, Question::Ready), Judged::Not(reasons));
        let foreign = answer("503 x", "x", "\u{1b}[2Jgone\n");
        let escaped = "\\u{1b}[2Jgone".to_owned();
        assert_eq!(
            judged(&foreign, Question::Ready),
            Judged::Not(escaped),
            "steers no terminal"
        );
        for other in [
            answer("200 OK", "x", "hello"),
            answer("404 Not Found", "x", ""),
            "SSH-2.0".to_owned(),
            String::new(),
        ] {
            assert_eq!(judged(&other, Question::Ready), Judged::Another, "{other}");
        }
    }

    #[test]
    fn a_program_that_says_the_same_words_is_no_daemon() {
        for (question, words) in [(Question::Ready, "ready"), (Question::Alive, "ok")] {
            let other = format!("HTTP/1.1 200 OK\r\nserver: x\r\n\r\n{words}\n");
            assert_eq!(judged(&other, question), Judged::Another, "{words}");
        }
        let down = "HTTP/1.1 503 Service Unavailable\r\n\r\nno server is available\n";
        assert_eq!(judged(down, Question::Ready), Judged::Another);
    }

    #[test]
    fn another_daemon_is_told_by_its_instance() {
        let told = answer("200 OK", "0123456789abcdef", "ready\n");
        let mine = |id: &str| Ok(Some(id.to_owned()));
        assert_eq!(stranger(&told, &mine("0123456789abcdef")), None);
        let other = Some("0123456789abcdef");
        assert_eq!(stranger(&told, &mine("fedcba9876543210")), other);
        assert_eq!(stranger(&told, &Ok(None)), other, "none has run there");
        let hidden = Err(io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(stranger(&told, &hidden), None);
        // It could not write to its state directory, where an id of before may be.
        let unkept = answer("200 OK", NOT_KEPT, "ready\n");
        assert_eq!(judged(&unkept, Question::Ready), Judged::Ready);
        assert_eq!(stranger(&unkept, &mine("fedcba9876543210")), None);
    }

    #[test]
    fn a_listener_for_all_addresses_is_asked_on_this_machine() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:9464"), "127.0.0.1:9464");
        assert_eq!(at("[::]:9464"), "[::1]:9464");
        assert_eq!(at("10.0.0.7:9464"), "10.0.0.7:9464");
    }
}
