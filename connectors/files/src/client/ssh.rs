//! An SSH connection with a pinned host key, up to an SFTP session on it.

use std::sync::Arc;
use std::time::Duration;

use hikiate_sdk::{Error, ErrorClass};
use russh::client::{AuthResult, Handle};
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh_sftp::client::rawsession::Limits;
use russh_sftp::client::{Config, RawSftpSession};
use tokio::time::timeout;

use super::address::SftpAddress;

/// Bytes of one reading where the server does not say less; it may give fewer.
const READS: usize = 128 << 10;

/// A session and the connection that carries it.
pub(crate) struct Session {
    pub(crate) sftp: RawSftpSession,
    /// The server makes files durable when asked.
    pub(crate) syncs: bool,
    /// Bytes of one reading.
    pub(crate) reads: usize,
    /// Dropping it closes the connection.
    handle: Handle<Pinned>,
}

impl Session {
    /// True once the connection is gone.
    pub(crate) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }
}

/// Lets in exactly one host key.
pub(crate) struct Pinned {
    wanted: String,
    shown: Arc<std::sync::Mutex<Option<String>>>,
}

impl russh::client::Handler for Pinned {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            return Ok(false);
        };
        let shown = key.fingerprint(HashAlg::Sha256).to_string();
        let same = shown == self.wanted;
        if let Ok(mut place) = self.shown.lock() {
            *place = Some(shown);
        }
        Ok(same)
    }
}

/// Connects, checks the host key, logs in and opens SFTP.
///
/// # Errors
/// `Auth` for another host key and for a refused login: the account pauses, else `Transient`: nothing was changed.
pub(crate) async fn connect(
    address: &SftpAddress,
    key: &Arc<PrivateKey>,
) -> Result<Session, Error> {
    let place = format!("{}:{}", address.host, address.port);
    let late = |what: &str| {
        Error::new(
            ErrorClass::Transient,
            format!(
                "{what} {place}: no answer in {} s",
                address.timeout.as_secs()
            ),
        )
    };
    let away =
        |what: &str, e: String| Error::new(ErrorClass::Transient, format!("{what} {place}: {e}"));
    let shown = Arc::new(std::sync::Mutex::new(None));
    let pinned = Pinned {
        wanted: address.host_key.clone(),
        shown: shown.clone(),
    };
    let config = Arc::new(russh::client::Config {
        inactivity_timeout: Some(Duration::from_secs(300)),
        keepalive_interval: Some(Duration::from_secs(30)),
        nodelay: true,
        ..Default::default()
    });
    let connecting = russh::client::connect(config, (address.host.as_str(), address.port), pinned);
    let connected = timeout(address.timeout, connecting)
        .await
        .map_err(|_| late("cannot connect to"))?;
    let mut handle = connected.map_err(|e| {
        let other = shown.lock().ok().and_then(|s| s.clone()).filter(|s| *s != address.host_key);
        other.map_or_else(
            || away("cannot connect to", e.to_string()),
            |other| {
                let message = format!("{place} shows the host key {other}, not the pinned {}: ask the warehouse before changing host_key", address.host_key);
                Error::new(ErrorClass::Auth, message)
            },
        )
    })?;
    let with_key = PrivateKeyWithHashAlg::new(key.clone(), None);
    let login = timeout(
        address.timeout,
        handle.authenticate_publickey(&address.user, with_key),
    )
    .await;
    match login
        .map_err(|_| late("cannot log in at"))?
        .map_err(|e| away("cannot log in at", e.to_string()))?
    {
        AuthResult::Success => {}
        AuthResult::Failure { .. } => {
            let message = format!(
                "{place} rejects the key of user {}: ask the warehouse to authorise it",
                address.user
            );
            return Err(Error::new(ErrorClass::Auth, message));
        }
    }
    let open = async {
        let channel = handle
            .channel_open_session()
            .await
            .map_err(|e| e.to_string())?;
        channel
            .request_subsystem(true, "sftp")
            .await
            .map_err(|e| e.to_string())?;
        let config = Config {
            request_timeout_secs: address.timeout.min(address.idle).as_secs().max(1),
            ..Config::default()
        };
        let mut sftp = RawSftpSession::new_with_config(channel.into_stream(), config);
        let version = sftp.init().await.map_err(|e| e.to_string())?;
        let has = |name: &str| version.extensions.get(name).is_some_and(|v| v == "1");
        let syncs = has("fsync@openssh.com");
        let mut reads = READS;
        if has("limits@openssh.com") {
            let limits = Limits::from(sftp.limits().await.map_err(|e| e.to_string())?);
            let most = limits.read_len.and_then(|n| usize::try_from(n).ok());
            reads = most.map_or(reads, |most| reads.min(most.max(1)));
            sftp.set_limits(limits);
        }
        Ok((sftp, syncs, reads))
    };
    let opened = timeout(address.timeout, open)
        .await
        .map_err(|_| late("cannot open SFTP at"))?;
    let (sftp, syncs, reads) = opened.map_err(|e: String| away("cannot open SFTP at", e))?;
    Ok(Session {
        sftp,
        syncs,
        reads,
        handle,
    })
}
