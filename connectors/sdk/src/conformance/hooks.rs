//! What the engine relies on when it takes hooks.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::run::{Checked, Run, Seen, ensure};
use super::subject::Bench;
use crate::hooks::{Arrival, Arrived, HookSpec, HookTrust, Hooks, MAX_HOOK_BODY, Nudge};
use crate::http::{Method, Response};

/// What an external system is to send to a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HookCase {
    /// Of a thing that it has, signed now.
    Good,
    /// The same, signed with a secret that nobody has.
    BadSignature,
    /// The same, rightly signed an hour ago.
    Old,
    /// Rightly signed, of a topic that nobody has heard of.
    UnknownTopic,
    /// What it sends to see whether somebody answers.
    Ping,
}

/// A request that an external system sent to a hook.
#[derive(Clone)]
pub struct SentHook {
    /// The method.
    pub method: Method,
    /// The path behind the hook's address.
    pub rest: String,
    /// The query.
    pub query: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Vec<u8>,
    /// The time at which it arrives, by the external system's clock.
    pub now: DateTime<Utc>,
    /// What it is to make due; empty where nothing.
    pub about: Vec<Nudge>,
}

impl SentHook {
    /// As a connector gets it.
    #[must_use]
    pub fn arrived(&self) -> Arrived<'_> {
        Arrived {
            method: self.method,
            rest: &self.rest,
            query: &self.query,
            headers: &self.headers,
            body: &self.body,
        }
    }
}

pub(super) async fn checks(run: &mut Run<'_>) {
    for spec in run.card.hooks.clone() {
        let hook = spec.name.as_str();
        run.check(&format!("hook, described/{hook}"), &[], async |_, _| {
            described(&spec)
        })
        .await;
        run.check(&format!("hook, good/{hook}"), &[], async |bench, seen| {
            good(bench, seen, &spec).await
        })
        .await;
        run.check(
            &format!("hook, bad signature/{hook}"),
            &[],
            async |bench, seen| bad_signature(bench, seen, &spec).await,
        )
        .await;
        run.check(&format!("hook, old/{hook}"), &[], async |bench, seen| {
            let old = sent(bench, hook, HookCase::Old).await?;
            refused(bench, seen, hook, &old, "one that was signed an hour ago")
        })
        .await;
        run.check(&format!("hook, twice/{hook}"), &[], async |bench, seen| {
            twice(bench, seen, hook).await
        })
        .await;
        for (what, case) in [
            ("unknown topic", HookCase::UnknownTopic),
            ("ping", HookCase::Ping),
        ] {
            run.check(&format!("hook, {what}/{hook}"), &[], async |bench, seen| {
                ignored(bench, seen, &spec, case).await
            })
            .await;
        }
        run.check(&format!("hook, any bytes/{hook}"), &[], async |bench, _| {
            any_bytes(bench, &spec).await
        })
        .await;
    }
}

fn hooks(bench: &Bench) -> Result<&dyn Hooks, String> {
    bench
        .connector
        .hooks()
        .ok_or_else(|| "a fresh account has no hooks".to_owned())
}

async fn sent(bench: &Bench, hook: &str, case: HookCase) -> Result<SentHook, String> {
    bench.far.hook(hook, case).await.ok_or_else(|| {
        format!("the simulator cannot send {case:?}: add it, or waive the check with a reason")
    })
}

fn described(spec: &HookSpec) -> Checked {
    let name = &spec.name;
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    ensure(
        !name.is_empty() && name.len() <= 40 && name.bytes().all(plain),
        "its name cannot be part of an address: use lower-case letters, digits and -, at most 40",
    )?;
    ensure(
        !spec.register.is_empty(),
        "it does not say what to register at the external system",
    )?;
    ensure(
        (1..=MAX_HOOK_BODY).contains(&spec.body_limit),
        format!("its body limit is not within 1 to {MAX_HOOK_BODY}"),
    )?;
    let secret = [
        "authorization",
        "cookie",
        "signature",
        "token",
        "secret",
        "hmac",
    ];
    match spec
        .keep
        .iter()
        .find(|name| secret.iter().any(|part| name.contains(part)))
    {
        Some(name) => Err(format!(
            "it keeps the header {name}, which contains a secret"
        )),
        None => Ok(()),
    }
}

/// What is stored of a request, as the engine does.
fn kept(spec: &HookSpec, sent: &SentHook) -> Vec<(String, String)> {
    let mut headers = sent.headers.clone();
    headers.retain(|(name, _)| spec.keep.contains(&name.as_str()));
    headers
}

async fn good(bench: &Bench, seen: &Seen, spec: &HookSpec) -> Checked {
    let sent = sent(bench, &spec.name, HookCase::Good).await?;
    ensure(
        !sent.about.is_empty(),
        "the external system does not say what it is about",
    )?;
    let hooks = hooks(bench)?;
    match hooks.arrive(&spec.name, &sent.arrived(), sent.now) {
        Arrival::Take { key, reply } => {
            welcome(seen, &sent, &reply)?;
            ensure(
                key.is_none_or(|key| !key.is_empty()),
                "its id of the delivery is empty",
            )?;
        }
        other => return Err(format!("a valid delivery was not accepted but {other:?}")),
    }
    let told: BTreeSet<String> = nudged(hooks, spec, &sent);
    let wanted = sent
        .about
        .iter()
        .map(|nudge| format!("{nudge:?}"))
        .collect();
    ensure(
        told == wanted,
        format!("it is about {wanted:?} but made {told:?} due"),
    )
}

fn nudged(hooks: &dyn Hooks, spec: &HookSpec, sent: &SentHook) -> BTreeSet<String> {
    let nudges = hooks.nudges(&spec.name, &kept(spec, sent), &sent.body);
    nudges.iter().map(|nudge| format!("{nudge:?}")).collect()
}

/// A reply that the sender takes for a yes, and that repeats nothing.
fn welcome(seen: &Seen, sent: &SentHook, reply: &Response) -> Checked {
    seen.keep(String::from_utf8_lossy(&reply.body).into_owned());
    ensure(
        (200..300).contains(&reply.status),
        format!(
            "the answer is {}, which makes the sender retry",
            reply.status
        ),
    )?;
    let repeats =
        |text: &[u8]| text.len() >= 8 && reply.body.windows(text.len()).any(|w| w == text);
    ensure(!repeats(&sent.body), "the answer repeats what was sent")
}

fn refused(bench: &Bench, seen: &Seen, hook: &str, sent: &SentHook, what: &str) -> Checked {
    match hooks(bench)?.arrive(hook, &sent.arrived(), sent.now) {
        Arrival::Refuse { why, reply } => {
            seen.keep(why.to_owned());
            seen.keep(String::from_utf8_lossy(&reply.body).into_owned());
            ensure(
                (400..500).contains(&reply.status),
                format!("{what} was rejected with {}", reply.status),
            )
        }
        Arrival::Take { .. } | Arrival::Answer(_) => Err(format!("{what} was not rejected")),
    }
}

async fn bad_signature(bench: &Bench, seen: &Seen, spec: &HookSpec) -> Checked {
    let hook = spec.name.as_str();
    ensure(
        spec.trust == HookTrust::Secret,
        "its sender cannot sign: waive the check with that reason",
    )?;
    let bad = sent(bench, hook, HookCase::BadSignature).await?;
    refused(
        bench,
        seen,
        hook,
        &bad,
        "one that is signed with another secret",
    )?;
    let good = sent(bench, hook, HookCase::Good).await?;
    let mut bare = good.clone();
    bare.headers.clear();
    bare.query.clear();
    refused(bench, seen, hook, &bare, "one without any header")?;
    for at in 0..good.body.len() {
        let mut changed = good.clone();
        changed.body[at] ^= 1;
        let what = format!("one with byte {at} changed in transit");
        refused(bench, seen, hook, &changed, &what)?;
    }
    let mut longer = good.clone();
    longer.body.push(b' ');
    refused(bench, seen, hook, &longer, "one to which a blank was added")
}

async fn twice(bench: &Bench, seen: &Seen, hook: &str) -> Checked {
    let sent = sent(bench, hook, HookCase::Good).await?;
    let hooks = hooks(bench)?;
    let mut keys = Vec::new();
    for _ in 0..2 {
        match hooks.arrive(hook, &sent.arrived(), sent.now) {
            Arrival::Take { key, reply } => {
                welcome(seen, &sent, &reply)?;
                keys.push(key);
            }
            other => return Err(format!("it was not accepted but {other:?}")),
        }
    }
    ensure(
        keys.windows(2).all(|two| two[0] == two[1]),
        "one delivery has two ids when it is sent twice",
    )
}

/// Answered with a yes, and nothing becomes due.
async fn ignored(bench: &Bench, seen: &Seen, spec: &HookSpec, case: HookCase) -> Checked {
    let sent = sent(bench, &spec.name, case).await?;
    let hooks = hooks(bench)?;
    match hooks.arrive(&spec.name, &sent.arrived(), sent.now) {
        Arrival::Take { reply, .. } => {
            welcome(seen, &sent, &reply)?;
            let told = nudged(hooks, spec, &sent);
            ensure(told.is_empty(), format!("it made {told:?} due"))
        }
        Arrival::Answer(reply) => welcome(seen, &sent, &reply),
        Arrival::Refuse { why, .. } => Err(format!("it was rejected: {why}")),
    }
}

/// Bytes of any kind make nothing fall over.
async fn any_bytes(bench: &Bench, spec: &HookSpec) -> Checked {
    let good = sent(bench, &spec.name, HookCase::Good).await?;
    let hooks = hooks(bench)?;
    let mut bodies = vec![
        Vec::new(),
        vec![0xff; 64],
        vec![b'['; 5_000],
        b"null".to_vec(),
    ];
    bodies.extend((0..good.body.len()).map(|end| good.body[..end].to_vec()));
    for body in bodies {
        let arrived = Arrived {
            body: &body,
            ..good.arrived()
        };
        hooks.arrive(&spec.name, &arrived, good.now);
        hooks.nudges(&spec.name, &kept(spec, &good), &body);
    }
    Ok(())
}
