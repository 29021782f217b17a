//! One mail over one connection. What matters is on which side of the message's body a failure lies: before it
//! nothing was sent; from its first byte on a missing reply leaves open whether the server has the mail.

use std::io;
use std::time::{Duration, SystemTime};

use hikiate_sdk::http::{authorities, excerpt};
use hikiate_sdk::text::quote;
use hikiate_sdk::{Attempts, Error, ErrorClass, Outcome, Problem};
use lettre::message::header::{Date, Header};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::{Settings, Tls};
use crate::lines::Lines;
use crate::map::Frozen;
use crate::queue::queue_id;

/// The mail is with the server by then; a slow farewell is not waited for.
const FAREWELL: Duration = Duration::from_secs(1);

/// Sends mails for one account; a connection for each.
#[derive(Clone)]
pub(crate) struct Client {
    settings: Settings,
    tls: Option<TlsParameters>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Client").field(&self.settings).finish()
    }
}

/// Where before the body a failure was met; only a login can be refused for its credentials.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Connect,
    StartTls,
    LogIn,
    Sender,
    Recipient,
    Data,
}

impl Step {
    fn words(self) -> &'static str {
        match self {
            Self::Connect => "connecting",
            Self::StartTls => "starting TLS",
            Self::LogIn => "logging in",
            Self::Sender => "naming the sender",
            Self::Recipient => "naming the recipient",
            Self::Data => "asking to send the message",
        }
    }
}

impl Client {
    /// Reads the machine's certificates where TLS is used; opens no connection.
    pub(crate) fn new(settings: Settings) -> Result<Self, Problem> {
        let tls = match settings.tls {
            Tls::None => None,
            Tls::Implicit | Tls::Starttls => Some(parameters(&settings)?),
        };
        Ok(Self { settings, tls })
    }

    /// Sends a mail once.
    pub(crate) async fn deliver(&self, mail: &Frozen) -> Result<Outcome, Error> {
        let opened = timeout(self.settings.connect_timeout, self.open(mail)).await;
        let mut connection = opened.map_err(|_| {
            Error::new(
                ErrorClass::Transient,
                "the mail server did not answer in time before the message was sent",
            )
        })??;
        #[expect(
            clippy::disallowed_methods,
            reason = "a mail's Date header; nothing is decided by it"
        )]
        let message = dated(&mail.message, SystemTime::now());
        let reply = timeout(
            self.settings.timeout,
            connection.message(message.as_bytes()),
        )
        .await;
        let outcome = match reply {
            Err(_) => Err(Error::new(
                ErrorClass::OutcomeUnknown,
                "the mail server did not answer in time after the message: check its log for the Message-ID",
            )),
            Ok(Err(error)) => Err(self.after_body(&error)),
            Ok(Ok(response)) => {
                let reply: Vec<&str> = response.message().collect();
                let reply = self.clean(&reply.join(" "));
                let id = queue_id(&reply, mail.to.as_ref());
                Ok(Outcome::Done { id })
            }
        };
        if timeout(FAREWELL, connection.abort()).await.is_err() {
            tracing::debug!("the mail server did not say goodbye");
        }
        outcome
    }

    /// Up to the message's body. A password that is refused is read again, and a second one is tried: nothing was sent.
    async fn open(&self, mail: &Frozen) -> Result<AsyncSmtpConnection, Error> {
        let secrets = self.settings.login.iter().map(|(_, secret)| secret.clone());
        let mut attempts = Attempts::with(secrets.collect());
        loop {
            let turn = attempts.begin();
            match self.try_open(mail, turn).await {
                Ok(connection) => {
                    attempts.taken();
                    return Ok(connection);
                }
                Err(e) if e.class == ErrorClass::Auth && attempts.again() => {}
                Err(e) => return Err(e),
            }
        }
    }

    async fn try_open(&self, mail: &Frozen, turn: usize) -> Result<AsyncSmtpConnection, Error> {
        let hello = ClientId::Domain(self.settings.domain.clone());
        let implicit = self
            .tls
            .clone()
            .filter(|_| self.settings.tls == Tls::Implicit);
        let server = (self.settings.host.as_str(), self.settings.port);
        let connected = if self.settings.tls == Tls::Starttls {
            // What is read in the clear must not reach beyond the answer to STARTTLS.
            let stream = TcpStream::connect(server).await.map_err(unreached)?;
            let stream = Box::new(Lines::over(stream));
            AsyncSmtpConnection::connect_with_transport(stream, &hello).await
        } else {
            let time = Some(self.settings.connect_timeout);
            AsyncSmtpConnection::connect_tokio1(server, time, &hello, implicit, None).await
        };
        let mut connection = connected.map_err(|e| self.before_body(Step::Connect, &e))?;
        if let (Tls::Starttls, Some(tls)) = (self.settings.tls, &self.tls) {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(Error::new(
                    ErrorClass::Config,
                    "the mail server does not offer STARTTLS, and nothing was sent in the clear: check host, port and tls",
                ));
            }
            // One whose handshake failed is only dropped: it has no stream any more, and lettre panics if it is used.
            connection
                .starttls(tls.clone(), &hello)
                .await
                .map_err(|e| self.before_body(Step::StartTls, &e))?;
        }
        let prepared = self.introduce(&mut connection, mail, turn).await;
        if prepared.is_err() {
            connection.abort().await;
        }
        prepared.map(|()| connection)
    }

    async fn introduce(
        &self,
        connection: &mut AsyncSmtpConnection,
        mail: &Frozen,
        turn: usize,
    ) -> Result<(), Error> {
        if let Some((user, password)) = &self.settings.login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            if connection
                .server_info()
                .get_auth_mechanism(&mechanisms)
                .is_none()
            {
                return Err(Error::new(
                    ErrorClass::Config,
                    "the mail server offers no login by PLAIN or LOGIN here: check port and tls, or remove user and password",
                ));
            }
            let (password, _) = password.pick(turn);
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            connection
                .auth(&mechanisms, &credentials)
                .await
                .map_err(|e| self.before_body(Step::LogIn, &e))?;
        }
        let mut parameters = Vec::new();
        if !mail.message.is_ascii()
            || [&mail.from, &mail.to]
                .iter()
                .any(|a| !a.to_string().is_ascii())
        {
            if !connection
                .server_info()
                .supports_feature(Extension::SmtpUtfEight)
            {
                return Err(Error::new(
                    ErrorClass::Rejected,
                    "the mail's to or from has characters beyond ASCII, which this mail server does not support (SMTPUTF8)",
                )
                .with_code("to"));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        let sender = Mail::new(Some(mail.from.clone()), parameters);
        connection
            .command(sender)
            .await
            .map_err(|e| self.before_body(Step::Sender, &e))?;
        let recipient = Rcpt::new(mail.to.clone(), Vec::new());
        connection
            .command(recipient)
            .await
            .map_err(|e| self.before_body(Step::Recipient, &e))?;
        connection
            .command(Data)
            .await
            .map_err(|e| self.before_body(Step::Data, &e))?;
        Ok(())
    }

    fn before_body(&self, step: Step, error: &lettre::transport::smtp::Error) -> Error {
        let code = error.status().map(|c| c.to_string());
        let class = match code.as_deref() {
            Some("530" | "534" | "535" | "538") => ErrorClass::Auth,
            Some(_) if error.is_permanent() && step == Step::LogIn => ErrorClass::Auth,
            Some(_) if error.is_permanent() => ErrorClass::Rejected,
            Some(code) if step == Step::Recipient => put_off(code),
            _ => ErrorClass::Transient,
        };
        // A server may repeat what it was told, here the encoded login.
        let words = match (step, &code) {
            (Step::LogIn, Some(code)) => format!("it answered {code}: check user and password"),
            _ => self.words(error),
        };
        let message = format!(
            "{} at the mail server failed, nothing was sent: {words}",
            step.words()
        );
        with_code(Error::new(class, message), code)
    }

    fn after_body(&self, error: &lettre::transport::smtp::Error) -> Error {
        let code = error.status().map(|c| c.to_string());
        // A 4xx or 5xx reply to the message means by RFC 5321 that the server has not taken it.
        let (class, what) = if error.is_permanent() {
            (ErrorClass::Rejected, "the mail server rejected the message")
        } else if error.is_transient() {
            (
                code.as_deref().map_or(ErrorClass::Transient, put_off),
                "the mail server temporarily did not accept the message",
            )
        } else {
            (
                ErrorClass::OutcomeUnknown,
                "the mail server's answer to the message was lost or is invalid; check its log for the Message-ID",
            )
        };
        with_code(
            Error::new(class, format!("{what}: {}", self.words(error))),
            code,
        )
    }

    /// What went wrong. A reply of the server is quoted: servers repeat what they were told.
    fn words(&self, error: &lettre::transport::smtp::Error) -> String {
        let ours = match error.status() {
            Some(code) => format!("it answered {code}"),
            None if error.is_response() => "its reply cannot be read".to_owned(),
            None => return self.clean(&chain(error)),
        };
        let theirs = std::error::Error::source(error).map(ToString::to_string);
        let theirs = quote(&self.clean(&theirs.unwrap_or_default()));
        if theirs.is_empty() {
            return ours;
        }
        format!("{ours}: {theirs}")
    }

    /// A text with mail addresses and the login taken out.
    fn clean(&self, text: &str) -> String {
        let login = self.settings.login.as_ref();
        let values = login.map(|(_, password)| password.values());
        let values = values.unwrap_or_default();
        let passwords = values.iter().map(ExposeSecret::expose_secret);
        let secrets: Vec<&str> = login
            .map(|(user, _)| user.as_str())
            .into_iter()
            .chain(passwords)
            .collect();
        excerpt(text.as_bytes(), &secrets)
    }
}

/// 450 and 451 in reply to the recipient or the message concern this mail alone (greylisting, a busy mailbox): the account's other
/// mails go on. Other 4xx replies are of the server: it closes (421), has no room (452) or no quota left (454).
fn put_off(code: &str) -> ErrorClass {
    match code {
        "450" | "451" => ErrorClass::Busy { after: None },
        _ => ErrorClass::Transient,
    }
}

/// An error of the connection with its causes.
fn chain(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

fn unreached(error: io::Error) -> Error {
    let message = format!(
        "{} at the mail server failed, nothing was sent: {error}",
        Step::Connect.words()
    );
    Error::new(ErrorClass::Transient, message)
}

/// The machine's authorities, and those of the account's own file.
fn parameters(settings: &Settings) -> Result<TlsParameters, Problem> {
    let problem = |key: &str, e: &lettre::transport::smtp::Error| {
        Problem::new(key, format!("cannot set up TLS: {e}"))
    };
    let mut builder = TlsParameters::builder(settings.host.clone());
    if let Some(file) = &settings.ca_file {
        for authority in authorities(file)? {
            let authority = Certificate::from_der(authority.to_vec());
            builder = builder.add_root_certificate(authority.map_err(|e| problem("ca_file", &e))?);
        }
    }
    builder.build_rustls().map_err(|e| problem("tls", &e))
}

fn with_code(error: Error, code: Option<String>) -> Error {
    match code {
        Some(code) => error.with_code(code),
        None => error,
    }
}

/// The message with the time it is sent, which the frozen bytes cannot have.
fn dated(message: &str, now: SystemTime) -> String {
    let mut headers = lettre::message::header::Headers::new();
    headers.insert_raw(Date::new(now).display());
    format!("{headers}{message}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_lacks_is_no_matter_of_one_mail() {
        for (code, class) in [
            ("450", ErrorClass::Busy { after: None }),
            ("451", ErrorClass::Busy { after: None }),
            ("452", ErrorClass::Transient),
            ("454", ErrorClass::Transient),
            ("421", ErrorClass::Transient),
        ] {
            assert_eq!(put_off(code), class, "{code}");
        }
    }

    #[test]
    fn the_date_is_written_in_front() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_255_200);
        assert_eq!(
            dated("To: x\r\n\r\nbody", at),
            "Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nTo: x\r\n\r\nbody"
        );
    }
}
