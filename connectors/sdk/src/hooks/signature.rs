//! Signatures of hooks, over the raw body and compared in constant time.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Arrived, HookSecrets};

/// More signatures in one header than any sender makes while it replaces a secret.
const MOST: usize = 8;

/// Why a request is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// A header is missing, came twice, or is not of the form that it should have.
    Malformed,
    /// It was signed with another secret, or changed on its way.
    Wrong,
    /// It was signed longer ago than is allowed, or ahead of our time: an old one that comes again, or a wrong clock.
    Old,
}

impl Denied {
    /// The reason for the log.
    #[must_use]
    pub fn why(self) -> &'static str {
        match self {
            Self::Malformed => "its signature is missing or malformed",
            Self::Wrong => "its signature is wrong",
            Self::Old => "it was signed too long ago, or the clocks differ",
        }
    }
}

/// How a signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal, in either case.
    Hex,
    /// Base64 with padding.
    Base64,
}

impl Encoding {
    fn read(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => STANDARD.decode(text).ok(),
        }
    }
}

/// Checks an HMAC-SHA256 over `parts`, one after the other, under any of the secrets.
///
/// # Errors
/// [`Denied::Malformed`] for a signature that is not written so, [`Denied::Wrong`].
pub fn verify_hmac(
    secrets: &HookSecrets,
    encoding: Encoding,
    parts: &[&[u8]],
    signature: &str,
) -> Result<(), Denied> {
    let tag = encoding.read(signature).ok_or(Denied::Malformed)?;
    holds(secrets.any(|secret| verified::<Hmac<Sha256>>(secret.as_bytes(), parts, &tag)))
}

/// Checks a header `t=UNIX,v1=HEX` of which the HMAC-SHA256 is over `UNIX.BODY`; several `v1` may stand in it while the
/// sender replaces its secret.
///
/// # Errors
/// [`Denied`]; `Old` only where the signature holds.
pub fn verify_timed(
    secrets: &HookSecrets,
    header: Option<&str>,
    body: &[u8],
    now: DateTime<Utc>,
    tolerance: Duration,
) -> Result<(), Denied> {
    let header = header.ok_or(Denied::Malformed)?;
    let fields = || {
        header
            .split(',')
            .filter_map(|field| field.trim().split_once('='))
    };
    let mut times = fields()
        .filter(|(key, _)| *key == "t")
        .map(|(_, time)| time);
    let (Some(time), None) = (times.next(), times.next()) else {
        return Err(Denied::Malformed);
    };
    let signed_at = unix(time)?;
    let tags = tags(fields().filter(|(key, _)| *key == "v1"), Encoding::Hex)?;
    let parts = [time.as_bytes(), b".", body];
    holds(any_fits(
        secrets,
        &tags,
        |secret| Some(secret.as_bytes().to_vec()),
        &parts,
    ))?;
    fresh(signed_at, now, tolerance)
}

/// Checks a request by the Standard Webhooks scheme (`webhook-id`, `webhook-timestamp`, `webhook-signature`; secrets are
/// written `whsec_BASE64`), and returns its id.
///
/// # Errors
/// [`Denied`]; `Old` only where the signature holds.
pub fn verify_standard<'a>(
    secrets: &HookSecrets,
    arrived: &'a Arrived<'_>,
    now: DateTime<Utc>,
    tolerance: Duration,
) -> Result<&'a str, Denied> {
    let header = |name| arrived.header(name).ok_or(Denied::Malformed);
    let id = header("webhook-id")?;
    let time = header("webhook-timestamp")?;
    let signatures = header("webhook-signature")?;
    // A dot in the id would let its end pass for the time.
    if id.is_empty() || id.contains('.') {
        return Err(Denied::Malformed);
    }
    let signed_at = unix(time)?;
    let versions = signatures.split(' ').filter_map(|one| one.split_once(','));
    let tags = tags(versions.filter(|(key, _)| *key == "v1"), Encoding::Base64)?;
    let key = |secret: &str| {
        STANDARD
            .decode(secret.strip_prefix("whsec_").unwrap_or(secret))
            .ok()
    };
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", arrived.body];
    holds(any_fits(secrets, &tags, key, &parts))?;
    fresh(signed_at, now, tolerance)?;
    Ok(id)
}

/// Checks a fixed token in a header or in the address, whatever its length is.
///
/// # Errors
/// [`Denied::Malformed`] where there is none, [`Denied::Wrong`].
pub fn verify_token(secrets: &HookSecrets, given: Option<&str>) -> Result<(), Denied> {
    let given = given.ok_or(Denied::Malformed)?;
    // Both are hashed first: comparing texts of two lengths would tell the length.
    holds(secrets.any(|secret| {
        let tag = mac::<Hmac<Sha256>>(b"token", &[given.as_bytes()]);
        tag.is_some_and(|tag| verified::<Hmac<Sha256>>(b"token", &[secret.as_bytes()], &tag))
    }))
}

fn holds(holds: bool) -> Result<(), Denied> {
    if holds { Ok(()) } else { Err(Denied::Wrong) }
}

fn unix(text: &str) -> Result<DateTime<Utc>, Denied> {
    // No sign: what is signed is the text, and a time has one spelling.
    let digits = !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
    let seconds = digits.then(|| text.parse().ok()).flatten();
    seconds
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .ok_or(Denied::Malformed)
}

fn fresh(signed_at: DateTime<Utc>, now: DateTime<Utc>, tolerance: Duration) -> Result<(), Denied> {
    match (now - signed_at).abs().to_std() {
        Ok(apart) if apart <= tolerance => Ok(()),
        _ => Err(Denied::Old),
    }
}

fn tags<'a>(
    written: impl Iterator<Item = (&'a str, &'a str)>,
    encoding: Encoding,
) -> Result<Vec<Vec<u8>>, Denied> {
    let tags: Vec<Vec<u8>> = written
        .take(MOST)
        .filter_map(|(_, text)| encoding.read(text))
        .collect();
    if tags.is_empty() {
        return Err(Denied::Malformed);
    }
    Ok(tags)
}

fn any_fits(
    secrets: &HookSecrets,
    tags: &[Vec<u8>],
    key: impl Fn(&str) -> Option<Vec<u8>>,
    parts: &[&[u8]],
) -> bool {
    secrets.any(|secret| {
        let key = key(secret);
        let mut any = false;
        for tag in tags {
            any |= key
                .as_deref()
                .is_some_and(|key| verified::<Hmac<Sha256>>(key, parts, tag));
        }
        any
    })
}

fn verified<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    // `verify_slice` compares in constant time.
    fed::<M>(key, parts).is_some_and(|mac| mac.verify_slice(tag).is_ok())
}

fn mac<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
    fed::<M>(key, parts).map(|mac| mac.finalize().into_bytes().to_vec())
}

fn fed<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Option<M> {
    let mut mac = <M as KeyInit>::new_from_slice(key).ok()?;
    parts.iter().for_each(|part| mac.update(part));
    Some(mac)
}

/// The header that [`verify_timed`] takes, as a simulator sends it.
#[cfg(any(test, feature = "sim"))]
#[must_use]
pub fn sign_timed(secret: &str, body: &[u8], at: DateTime<Utc>) -> String {
    let time = at.timestamp().to_string();
    let parts = [time.as_bytes(), b".", body];
    let tag = mac::<Hmac<Sha256>>(secret.as_bytes(), &parts).unwrap_or_default();
    format!("t={time},v1={}", hex::encode(tag))
}
