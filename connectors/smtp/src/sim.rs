//! A mail server in memory: takes mails over a socket, remembers them by Message-ID, and fails as ordered.

mod subject;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hikiate_sdk::faulty::{Fault, FaultSeam, Target};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub use subject::Mail;

/// Longest line or message that is read.
const LIMIT: u64 = 4 * 1024 * 1024;

/// What a mail that is put off is answered.
const GREYLISTED: &str = "451 4.7.1 greylisted, come back later";

/// A mail as it was taken.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceivedMail {
    /// With angle brackets; empty when the message has none.
    pub message_id: String,
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Headers and body as sent, dots unstuffed.
    pub text: String,
}

impl std::fmt::Debug for ReceivedMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReceivedMail")
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}

/// What a mail is put off at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutOff {
    /// Its recipient.
    Recipient,
    /// The whole message, once it is there.
    Message,
}

/// The server's memory. Clones share it.
#[derive(Clone, Default)]
pub struct SmtpSim {
    state: Arc<Mutex<State>>,
    /// `AUTH PLAIN`'s argument that is let in; without one no login is offered.
    login: Option<String>,
}

#[derive(Default)]
struct State {
    mails: Vec<ReceivedMail>,
    ordered: VecDeque<Fault>,
    injected: BTreeMap<Fault, u64>,
    /// Given to a connection that came to no such point, or ordered for reading.
    missed: Vec<Fault>,
    /// An answer tells whose mailbox it is.
    repeats_names: bool,
    /// Every mail is answered 451 there.
    puts_off: Option<PutOff>,
}

impl SmtpSim {
    /// A server that offers a login and takes no mail without it.
    #[must_use]
    pub fn with_login(user: &str, password: &str) -> Self {
        Self {
            login: Some(base64(format!("\0{user}\0{password}").as_bytes())),
            ..Self::default()
        }
    }

    /// While it is on, a refusal of a recipient repeats who it was, in words that are no mail address, and so does what is said of a
    /// mail that was taken.
    pub fn repeats_names(&self, on: bool) {
        self.state().repeats_names = on;
    }

    /// Puts every mail off there (451, greylisting) until it is told otherwise.
    pub fn puts_off(&self, at: Option<PutOff>) {
        self.state().puts_off = at;
    }

    /// Every mail taken, in order.
    #[must_use]
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.state().mails.clone()
    }

    /// How many mails were taken with this Message-ID, angle brackets included.
    #[must_use]
    pub fn count(&self, message_id: &str) -> usize {
        self.state()
            .mails
            .iter()
            .filter(|m| m.message_id == message_id)
            .count()
    }

    /// Takes mails until `shutdown` completes; sessions under way are cut then.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> std::io::Result<()> {
        let mut sessions = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => return Ok(()),
                accepted = listener.accept() => {
                    let (stream, _) = accepted?;
                    let fault = self.next();
                    let session = Session { sim: self.clone(), stream: BufReader::new(stream), fault };
                    sessions.spawn(session.run());
                }
                Some(_) = sessions.join_next() => {}
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Fault> {
        self.state().ordered.pop_front()
    }
}

impl FaultSeam for SmtpSim {
    fn supported(&self) -> Vec<Fault> {
        let mut all = vec![
            Fault::NotSent,
            Fault::Refused,
            Fault::LostReply,
            Fault::Slow,
            Fault::Garbage,
            Fault::Truncated,
        ];
        if self.login.is_some() {
            all.push(Fault::Unauthorised);
        }
        all
    }

    /// Orders a fault for the next connection. Nothing can be read over SMTP, so a fault on reading never happens.
    fn inject(&self, target: Target, fault: Fault) {
        let mut state = self.state();
        match target {
            Target::Write => state.ordered.push_back(fault),
            Target::Read => state.missed.push(fault),
        }
    }

    fn injected(&self) -> BTreeMap<Fault, u64> {
        self.state().injected.clone()
    }

    fn unmet(&self) -> Vec<Fault> {
        let state = self.state();
        state.ordered.iter().chain(&state.missed).copied().collect()
    }
}

/// One connection; a fault holds for the whole of it.
struct Session {
    sim: SmtpSim,
    stream: BufReader<TcpStream>,
    fault: Option<Fault>,
}

impl Session {
    /// A caller that hangs up ends its session, which is its right.
    async fn run(mut self) {
        self.converse().await.ok();
        self.sim.state().missed.extend(self.fault);
    }

    async fn converse(&mut self) -> std::io::Result<()> {
        if self.fails(Fault::NotSent) {
            return self.say("421 too busy, come back later").await;
        }
        self.say("220 hikiate-sim ESMTP").await?;
        let mut let_in = self.sim.login.is_none();
        let (mut from, mut to) = (String::new(), Vec::new());
        while let Some(line) = self.line().await? {
            let verb = line.to_ascii_uppercase();
            if verb.starts_with("EHLO") {
                let login = if self.sim.login.is_some() {
                    "250-AUTH PLAIN\r\n"
                } else {
                    ""
                };
                self.say(&format!("250-hikiate-sim\r\n{login}250 8BITMIME"))
                    .await?;
            } else if verb.starts_with("AUTH PLAIN ") {
                let refused = self.fails(Fault::Unauthorised);
                let_in = !refused && self.sim.login.as_deref() == line.get(11..);
                let repeated = line.get(11..).unwrap_or_default();
                let no = format!("535 5.7.8 credentials {repeated} refused");
                self.say(if let_in { "235 welcome" } else { &no }).await?;
            } else if verb.starts_with("QUIT") {
                return self.say("221 bye").await;
            } else if !let_in {
                self.say("530 5.7.0 log in first").await?;
            } else if verb.starts_with("MAIL FROM:") {
                (from, to) = (address(&line), Vec::new());
                self.say("250 ok").await?;
            } else if verb.starts_with("RCPT TO:") {
                if self.fails(Fault::Refused) {
                    let whose = if self.sim.state().repeats_names {
                        address(&line).replace('@', " at ")
                    } else {
                        format!("<{}>", address(&line))
                    };
                    self.say(&format!("550 5.1.1 {whose}: no such mailbox"))
                        .await?;
                } else if self.puts_off(PutOff::Recipient) {
                    self.say(GREYLISTED).await?;
                } else {
                    to.push(address(&line));
                    self.say("250 ok").await?;
                }
            } else if verb == "DATA" && !to.is_empty() {
                self.say("354 go on").await?;
                let Some(text) = self.message().await? else {
                    return Ok(());
                };
                if self.puts_off(PutOff::Message) {
                    to.clear();
                    self.say(GREYLISTED).await?;
                    continue;
                }
                let mail = ReceivedMail {
                    message_id: id_of(&text),
                    from: from.clone(),
                    to: std::mem::take(&mut to),
                    text,
                };
                self.sim.state().mails.push(mail);
                if self.answer_to_message().await? {
                    return Ok(());
                }
            } else {
                self.say("503 not now").await?;
            }
        }
        Ok(())
    }

    /// True when the connection is to be cut.
    async fn answer_to_message(&mut self) -> std::io::Result<bool> {
        if self.fails(Fault::LostReply) {
            return Ok(true);
        }
        if self.fails(Fault::Slow) {
            self.line().await?;
            return Ok(true);
        }
        if self.fails(Fault::Truncated) {
            self.stream.write_all(b"25").await?;
            return Ok(true);
        }
        let garbage = self.fails(Fault::Garbage);
        let taken = self.taken();
        self.say(if garbage {
            "<html>mail is a web page now</html>"
        } else {
            &taken
        })
        .await?;
        Ok(garbage)
    }

    /// What is said of the mail that was taken last.
    fn taken(&self) -> String {
        let state = self.sim.state();
        let last = state.mails.last().filter(|_| state.repeats_names);
        let whose = last.and_then(|mail| mail.to.first());
        let whose = whose.map_or_else(String::new, |to| {
            format!(" for {}", to.replace('@', " at "))
        });
        format!(
            "250 2.0.0 Ok: queued as 4F3A1BC2D{}{whose}",
            state.mails.len()
        )
    }

    fn puts_off(&self, at: PutOff) -> bool {
        self.sim.state().puts_off == Some(at)
    }

    fn fails(&mut self, fault: Fault) -> bool {
        let now = self.fault == Some(fault);
        if now {
            self.fault = None;
            *self.sim.state().injected.entry(fault).or_default() += 1;
        }
        now
    }

    async fn say(&mut self, line: &str) -> std::io::Result<()> {
        self.stream
            .write_all(format!("{line}\r\n").as_bytes())
            .await?;
        self.stream.flush().await
    }

    async fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut bytes = Vec::new();
        let read = (&mut self.stream)
            .take(LIMIT)
            .read_until(b'\n', &mut bytes)
            .await?;
        let text = String::from_utf8_lossy(&bytes);
        Ok((read > 0).then(|| text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// `None` when the connection ended before the final dot: such a mail was not taken.
    async fn message(&mut self) -> std::io::Result<Option<String>> {
        let mut text = String::new();
        while let Some(line) = self.line().await? {
            if line == "." {
                return Ok(Some(text));
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
        }
        Ok(None)
    }
}

fn address(line: &str) -> String {
    let inside = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inside
        .map(|(address, _)| address.to_owned())
        .unwrap_or_default()
}

fn id_of(text: &str) -> String {
    let head = text
        .split("\r\n\r\n")
        .next()
        .unwrap_or_default()
        .replace("\r\n ", " ");
    let id = head
        .split("\r\n")
        .find_map(|line| line.strip_prefix("Message-ID:"));
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |n, b| (n << 8) | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let sextet = usize::try_from((group >> (18 - 6 * i)) & 63).unwrap_or(0);
            out.push(if i <= chunk.len() {
                char::from(ALPHABET[sextet])
            } else {
                '='
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_as_in_rfc_4648() {
        for (text, want) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), want);
        }
    }
}
