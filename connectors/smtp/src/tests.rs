//! The connector against its simulator over a real socket.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use hikiate_sdk::conformance::{Verdict, run, sample_call};
use hikiate_sdk::faulty::{Fault, FaultSeam, Target};
use hikiate_sdk::text::without_quotes;
use hikiate_sdk::{
    AccountConfig, AccountSlug, Call, Connector, Error, ErrorClass, MailMessage, Op, Outcome,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use crate::KIND;
use crate::sim::{Mail, PutOff, SmtpSim};

const PASSWORD: &str = "correct horse battery";

async fn serving(sim: &SmtpSim) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(sim.clone().serve(listener, std::future::pending()));
    port
}

fn settings(port: u16) -> Value {
    json!({
        "host": "127.0.0.1", "port": port, "tls": "none", "from": "店 <shop@example.jp>",
        "connect_timeout": "60s", "timeout": "60s"
    })
}

/// For what never comes: a server that is silent.
fn hasty(port: u16) -> Value {
    let mut hasty = settings(port);
    hasty["connect_timeout"] = json!("2s");
    hasty["timeout"] = json!("2s");
    hasty
}

fn account(settings: &Value) -> Arc<dyn Connector> {
    let slug = AccountSlug::from("mail");
    let config = AccountConfig {
        slug: &slug,
        settings,
        base_dir: Path::new("."),
        timezone: "Asia/Tokyo",
        link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
    };
    KIND.build(&config)
        .unwrap_or_else(|problems| std::panic::resume_unwind(Box::new(format!("{problems:?}"))))
}

#[tokio::test]
async fn the_conformance_suite_holds() {
    let card = run(&Mail).await;
    assert_eq!(card.failures(), Vec::<String>::new(), "{card}");
    assert_eq!(card.counts(), (12, 8, 0), "{card}");
    assert_eq!(card.verdict("lost reply/mail"), Some(&Verdict::Passed));
}

fn mail() -> Call {
    sample_call(Op::Mail)
}

async fn send(account: &dyn Connector) -> Result<Outcome, Error> {
    let operations = account.operations().unwrap();
    operations
        .send_one(Op::Mail, &operations.prepare(&mail()).unwrap())
        .await
}

#[tokio::test]
async fn a_mail_arrives_whole_with_date_and_id() {
    let sim = SmtpSim::default();
    let account = account(&settings(serving(&sim).await));
    let outcome = send(account.as_ref()).await.unwrap();
    assert_eq!(
        outcome,
        Outcome::Done {
            id: Some("4F3A1BC2D1".to_owned())
        }
    );
    let mails = sim.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(
        (mails[0].from.as_str(), mails[0].to.as_slice()),
        (
            "shop@example.jp",
            ["someone@example.test".to_owned()].as_slice()
        )
    );
    assert_eq!(mails[0].message_id, "<mail.sample.1@example.jp>");
    let head = mails[0].text.split("\r\n\r\n").next().unwrap();
    assert_eq!(head.matches("Date: ").count(), 1, "{head}");
    assert!(
        mails[0].text.ends_with("\r\n\r\nsample\r\n"),
        "{}",
        mails[0].text
    );
}

#[tokio::test]
async fn lines_of_dots_arrive_as_they_were_written() {
    let sim = SmtpSim::default();
    let account = account(&settings(serving(&sim).await));
    let operations = account.operations().unwrap();
    let Call::Mail(mail) = mail() else {
        unreachable!("a sample of a mail is a mail");
    };
    let text = ".\n..\n.hidden\nQUIT\n".to_owned();
    let prepared = operations
        .prepare(&Call::Mail(MailMessage { text, ..mail }))
        .unwrap();
    operations.send_one(Op::Mail, &prepared).await.unwrap();
    let text = sim.mails()[0].text.clone();
    assert!(
        text.ends_with("\r\n\r\n.\r\n..\r\n.hidden\r\nQUIT\r\n\r\n"),
        "{text}"
    );
}

#[tokio::test]
async fn a_reply_that_comes_too_late_leaves_the_mail_unknown() {
    let sim = SmtpSim::default();
    let mut patient = settings(serving(&sim).await);
    // Opening takes what it takes; only the reply does not come.
    patient["timeout"] = json!("2s");
    let account = account(&patient);
    sim.inject(Target::Write, Fault::Slow);
    let error = send(account.as_ref()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::OutcomeUnknown, "{error}");
    assert!(
        error
            .message
            .starts_with("mail <mail.sample.1@example.jp>: "),
        "{error}"
    );
    assert_eq!(sim.mails().len(), 1);
}

#[tokio::test]
async fn a_refused_recipient_is_told_without_the_address() {
    let sim = SmtpSim::default();
    let account = account(&settings(serving(&sim).await));
    sim.inject(Target::Write, Fault::Refused);
    let error = send(account.as_ref()).await.unwrap_err();
    assert_eq!(
        (error.class, error.code.as_deref()),
        (ErrorClass::Rejected, Some("550")),
        "{error}"
    );
    assert!(
        error.message.contains("no such mailbox") && !error.message.contains("someone"),
        "{error}"
    );
}

/// [`ErrorClass::Transient`] would let one customer's mail server rest the whole account.
#[tokio::test]
async fn a_mail_that_is_put_off_concerns_no_other_mail() {
    let sim = SmtpSim::default();
    let account = account(&settings(serving(&sim).await));
    for at in [PutOff::Recipient, PutOff::Message] {
        sim.puts_off(Some(at));
        let error = send(account.as_ref()).await.unwrap_err();
        assert_eq!(
            (error.class, error.code.as_deref()),
            (ErrorClass::Busy { after: None }, Some("451")),
            "{at:?}: {error}"
        );
        assert_eq!(sim.mails().len(), 0, "{at:?}");
    }
    sim.puts_off(None);
    send(account.as_ref()).await.unwrap();
    assert_eq!(sim.mails().len(), 1);
    // The server itself is too busy: that is the account's.
    sim.inject(Target::Write, Fault::NotSent);
    let error = send(account.as_ref()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Transient, "{error}");
}

#[tokio::test]
async fn what_a_mail_server_repeats_is_told_and_not_logged() {
    let sim = SmtpSim::default();
    let account = account(&settings(serving(&sim).await));
    sim.repeats_names(true);
    sim.inject(Target::Write, Fault::Refused);
    let error = send(account.as_ref()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Rejected);
    let whose = "someone at example.test";
    assert!(error.message.contains(whose), "{error}");
    for logged in [
        error.message.clone(),
        error.to_string(),
        format!("{error:?}"),
    ] {
        let logged = without_quotes(&logged);
        assert!(logged.contains("it answered 550: “…”"), "{logged}");
        assert!(
            !logged.contains("someone") && !logged.contains("example.test"),
            "{logged}"
        );
    }
    let outcome = send(account.as_ref()).await.unwrap();
    let id = Some("4F3A1BC2D1".to_owned());
    assert_eq!(outcome, Outcome::Done { id }, "for ever, so the id alone");
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_when_tls_is_wanted() {
    let sim = SmtpSim::default();
    let mut wanted = settings(serving(&sim).await);
    for (tls, class) in [
        ("starttls", ErrorClass::Config),
        ("implicit", ErrorClass::Transient),
    ] {
        wanted["tls"] = json!(tls);
        let error = send(account(&wanted).as_ref()).await.unwrap_err();
        assert_eq!(error.class, class, "{tls}: {error}");
    }
    assert_eq!(sim.mails().len(), 0);
}

/// What a man in the middle puts behind the answer to STARTTLS would be the server's first answer over TLS.
#[tokio::test]
async fn a_line_behind_the_answer_to_starttls_ends_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut wanted = settings(listener.local_addr().unwrap().port());
    wanted["tls"] = json!("starttls");
    wanted["connect_timeout"] = json!("60s");
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut heard = Vec::new();
        stream.write_all(b"220 mail\r\n").await.unwrap();
        for answer in ["250-mail\r\n250 STARTTLS\r\n", "220 go\r\n250 taken\r\n"] {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            heard.push(line);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        // Whatever the client makes of it, the server stays silent: a client that waits for it would wait for long.
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.ok();
        (heard, rest)
    });
    let began = std::time::Instant::now();
    let error = send(account(&wanted).as_ref()).await.unwrap_err();
    assert!(
        began.elapsed() < std::time::Duration::from_secs(60),
        "{error}"
    );
    assert_eq!(error.class, ErrorClass::Transient, "{error}");
    assert!(error.message.contains("starting TLS"), "{error}");
    let (heard, rest) = server.await.unwrap();
    assert_eq!(heard.last().map(String::as_str), Some("STARTTLS\r\n"));
    // Beyond that, nothing in the clear.
    assert!(!String::from_utf8_lossy(&rest).contains("MAIL"), "{rest:?}");
}

#[tokio::test]
async fn a_server_that_is_away_or_silent_is_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = send(account(&hasty(port)).as_ref()).await.unwrap_err();
    assert_eq!(silent.class, ErrorClass::Transient, "{silent}");
    drop(listener);
    let away = send(account(&settings(port)).as_ref()).await.unwrap_err();
    assert_eq!(away.class, ErrorClass::Transient, "{away}");
}

#[tokio::test]
async fn a_login_the_server_does_not_offer_is_a_wrong_configuration() {
    let sim = SmtpSim::default();
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    writeln!(secret, "{PASSWORD}").unwrap();
    let mut wanted = settings(serving(&sim).await);
    wanted["user"] = json!("shop");
    wanted["password"] = json!({ "file": secret.path() });
    assert_eq!(
        send(account(&wanted).as_ref()).await.unwrap_err().class,
        ErrorClass::Config
    );
    let sim = SmtpSim::with_login("shop", "another");
    wanted["port"] = json!(serving(&sim).await);
    assert_eq!(
        send(account(&wanted).as_ref()).await.unwrap_err().class,
        ErrorClass::Auth
    );
    assert_eq!(sim.mails().len(), 0);
}
