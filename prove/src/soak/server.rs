//! The soak's database: a server that is killed, restarted, backed up and set back, its standby, and the one address behind
//! which the daemons find whichever of them is in charge.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use hikiate::store::launcher::ClusterOptions;
use tokio::sync::Mutex;

use super::node::{Node, Standby, behind};

/// The database's name.
const NAME: &str = "hikiate";

/// How a standby follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Follows {
    /// A commit waits for it.
    Synchronously,
    /// No commit waits for it.
    Later,
}

/// What there is of servers.
struct Servers {
    node: Option<Node>,
    standby: Option<Standby>,
    made: usize,
}

/// The database that the daemons know by its address only.
pub(super) struct Server {
    root: PathBuf,
    servers: Mutex<Servers>,
    /// The address of the daemons' database, the same for ever: a link to the socket of the server in charge, as a virtual
    /// address is.
    pub(super) url: String,
}

impl Server {
    /// Makes a cluster below `root` and starts it; it flushes to disk, since it is killed. A forgetful one does not wait
    /// for that.
    ///
    /// # Errors
    /// The launcher's, the file system's.
    pub(super) async fn start(root: &Path, forgetful: bool) -> anyhow::Result<Self> {
        let mut options = ClusterOptions::new(root.join("pg-1"));
        // Seconds of commits are in the server's memory only, and die with it.
        let (commit, delay) = if forgetful {
            ("off", "10s")
        } else {
            ("on", "200ms")
        };
        options.settings = [
            ("max_connections", "60"),
            ("wal_level", "replica"),
            ("max_wal_senders", "4"),
            ("checkpoint_timeout", "60"),
            ("synchronous_commit", commit),
            ("wal_writer_delay", delay),
            // A standby comes back soon after the server that it follows.
            ("wal_retrieve_retry_interval", "200ms"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let node = Node::start(options).await?;
        let address = root.join("address");
        symlink(node.socket()?, &address).context("make the address")?;
        Ok(Self {
            url: behind(&node.url(NAME), &address)?,
            root: root.to_owned(),
            servers: Mutex::new(Servers {
                node: Some(node),
                standby: None,
                made: 1,
            }),
        })
    }

    /// `kill -9` of the postmaster, then a start on what it left.
    ///
    /// # Errors
    /// When it does not come back.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        self.servers.lock().await.in_charge()?.kill().await
    }

    /// `pg_ctl restart -m immediate`: all its processes are killed, and it recovers.
    ///
    /// # Errors
    /// When it does not come back.
    pub(super) async fn restart(&self) -> anyhow::Result<()> {
        self.servers.lock().await.in_charge()?.restart().await
    }

    /// A base backup, taken while everything runs.
    ///
    /// # Errors
    /// `pg_basebackup`'s.
    pub(super) async fn back_up(&self) -> anyhow::Result<()> {
        let mut servers = self.servers.lock().await;
        let node = servers.in_charge()?;
        node.back_up(&node.backup(), &[]).await
    }

    /// Stops the server as a failure would, puts the backup in its place and starts it again.
    ///
    /// # Errors
    /// The launcher's, the file system's.
    pub(super) async fn put_back(&self) -> anyhow::Result<()> {
        let mut servers = self.servers.lock().await;
        let old = servers.node.take().context("there is no server")?;
        servers.node = Some(old.put_back().await?);
        Ok(())
    }

    /// Makes a standby and waits until it follows.
    ///
    /// # Errors
    /// When it does not.
    pub(super) async fn follow(&self, how: Follows) -> anyhow::Result<()> {
        let mut servers = self.servers.lock().await;
        ensure!(servers.standby.is_none(), "there is a standby");
        servers.made += 1;
        let state_dir = self.root.join(format!("pg-{}", servers.made));
        let node = servers.in_charge()?;
        let standby = node.standby(&state_dir).await?;
        node.until("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming')")
            .await?;
        // After the backup: a server that was promoted has nobody to wait for.
        if how == Follows::Synchronously {
            node.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
                .await?;
            node.execute("SELECT pg_reload_conf()").await?;
        }
        servers.standby = Some(standby);
        Ok(())
    }

    /// Waits until the standby is there and each commit waits for it.
    ///
    /// # Errors
    /// When it is not.
    pub(super) async fn synchronous(&self) -> anyhow::Result<()> {
        let mut servers = self.servers.lock().await;
        servers
            .in_charge()?
            .until("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync')")
            .await
    }

    /// Cuts the standby's line: what is committed from now on it does not have.
    ///
    /// # Errors
    /// When it keeps following.
    pub(super) async fn cut_off(&self) -> anyhow::Result<()> {
        let mut servers = self.servers.lock().await;
        let standby = servers.standby.as_ref().context("there is no standby")?;
        standby.cut_off().await?;
        servers
            .in_charge()?
            .until("SELECT NOT EXISTS (SELECT FROM pg_stat_replication)")
            .await
    }

    /// The server in charge ends at once and stays away.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) async fn fence(&self) -> anyhow::Result<()> {
        self.servers.lock().await.in_charge()?.fence().await
    }

    /// The standby of a fenced server takes its place, and the address leads to it.
    ///
    /// # Errors
    /// The programs', the launcher's, the file system's.
    pub(super) async fn promote(&self) -> anyhow::Result<()> {
        let mut servers = self.servers.lock().await;
        let standby = servers.standby.take().context("there is no standby")?;
        let old = servers.node.take().context("there is no server")?;
        let node = old.replace(standby).await?;
        let (new, address) = (self.root.join("address.new"), self.root.join("address"));
        symlink(node.socket()?, &new).context("make the new address")?;
        fs::rename(&new, &address).context("move the address")?;
        servers.node = Some(node);
        Ok(())
    }

    /// Stops all of it for good.
    ///
    /// # Errors
    /// The launcher's.
    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        let mut servers = self.servers.lock().await;
        // Where setting back or promoting was broken off there is none, and the watcher ends what is left.
        let Some(node) = servers.node.take() else {
            return Ok(());
        };
        if let Some(standby) = servers.standby.take() {
            node.give_up(&standby).await?;
        }
        node.stop().await
    }
}

impl Servers {
    fn in_charge(&mut self) -> anyhow::Result<&mut Node> {
        self.node.as_mut().context("there is no server")
    }
}
