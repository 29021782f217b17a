//! The soak's PostgreSQL: a private cluster that is killed, restarted, backed up and set back.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hikiate::store::launcher::{Cluster, ClusterOptions};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// The database's name.
const NAME: &str = "hikiate";
/// How long the server may take to come back, crash recovery included.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster with a state directory of its own; the daemons know it by its address only.
pub(super) struct Server {
    options: ClusterOptions,
    root: PathBuf,
    cluster: Mutex<Option<Cluster>>,
    /// The address of the daemons' database, the same for ever.
    pub(super) url: String,
}

impl Server {
    /// Makes the cluster and starts it; it flushes to disk, since it is killed. A forgetful one does not wait
    /// for that.
    ///
    /// # Errors
    /// The launcher's.
    pub(super) async fn start(state_dir: &Path, forgetful: bool) -> anyhow::Result<Self> {
        let mut options = ClusterOptions::new(state_dir);
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
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let cluster = Cluster::start(&options).await.context("start PostgreSQL")?;
        Ok(Self {
            url: cluster.url(NAME),
            root: state_dir.join("postgres"),
            cluster: Mutex::new(Some(cluster)),
            options,
        })
    }

    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    fn postmaster(&self) -> anyhow::Result<u32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid"))
            .context("read the server's pid file")?;
        let pid = text.lines().next().unwrap_or_default();
        pid.parse()
            .with_context(|| format!("{pid:?} is no process"))
    }

    /// `kill -9` of the postmaster, then a start on what it left.
    ///
    /// # Errors
    /// When it does not come back.
    pub(super) async fn kill(&self) -> anyhow::Result<()> {
        let mut cluster = self.cluster.lock().await;
        let pid = self.postmaster()?.to_string();
        let killed = Command::new("kill").args(["-9", &pid]).status().await;
        anyhow::ensure!(killed.context("run kill")?.success(), "kill -9 {pid}");
        let cluster = cluster.as_mut().context("there is no server")?;
        let begun = Instant::now();
        loop {
            // Just after the kill its children may still hold its memory.
            match cluster.ensure_running().await {
                Ok(true) => return Ok(()),
                Ok(false) if begun.elapsed() > PATIENCE => bail!("process {pid} survived kill -9"),
                Err(error) if begun.elapsed() > PATIENCE => {
                    return Err(error).context("PostgreSQL does not restart after kill -9");
                }
                Ok(false) | Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// `pg_ctl restart -m immediate`: all its processes are killed, and it recovers.
    ///
    /// # Errors
    /// When it does not come back.
    pub(super) async fn restart(&self) -> anyhow::Result<()> {
        let mut cluster = self.cluster.lock().await;
        let data = self.data().display().to_string();
        let log = self.root.join("log/restarts.log").display().to_string();
        let seconds = PATIENCE.as_secs().to_string();
        let words = ["restart", "-w", "-m", "immediate", "-t", &seconds];
        let words = words.into_iter().chain(["-D", &data, "-l", &log]);
        self.program("pg_ctl", words).await?;
        let cluster = cluster.as_mut().context("there is no server")?;
        cluster
            .ensure_running()
            .await
            .context("PostgreSQL does not restart after an immediate restart")?;
        Ok(())
    }

    /// A base backup, taken while everything runs.
    ///
    /// # Errors
    /// `pg_basebackup`'s.
    pub(super) async fn back_up(&self) -> anyhow::Result<()> {
        let (run, to) = (self.socket()?, self.root.join("backup"));
        let (run, to) = (run.display().to_string(), to.display().to_string());
        let words = ["-h", &run, "-p", "5432", "-U", "hikiate_admin", "-D", &to];
        let words = words
            .into_iter()
            .chain(["-X", "stream", "--checkpoint=fast", "--no-password"]);
        self.program("pg_basebackup", words).await
    }

    /// Stops the server as a failure would, puts the backup in its place and starts it again.
    ///
    /// # Errors
    /// The launcher's, the file system's.
    pub(super) async fn put_back(&self) -> anyhow::Result<()> {
        let mut cluster = self.cluster.lock().await;
        let old = cluster.take().context("there is no server")?;
        old.stop().await.context("stop PostgreSQL")?;
        fs::rename(self.data(), self.root.join("data.lost")).context("move the data away")?;
        fs::rename(self.root.join("backup"), self.data()).context("put the backup in place")?;
        *cluster = Some(
            Cluster::start(&self.options)
                .await
                .context("start PostgreSQL on the backup")?,
        );
        Ok(())
    }

    /// Stops it for good.
    ///
    /// # Errors
    /// The launcher's.
    pub(super) async fn stop(&self) -> anyhow::Result<()> {
        match self.cluster.lock().await.take() {
            Some(cluster) => cluster.stop().await.context("stop PostgreSQL"),
            None if !self.data().join("postmaster.pid").exists() => Ok(()),
            // Setting it back was broken off.
            None => {
                let cluster = Cluster::start(&self.options).await?;
                cluster.stop().await.context("stop PostgreSQL")
            }
        }
    }

    /// The folder of its socket, from the address.
    fn socket(&self) -> anyhow::Result<PathBuf> {
        let url = url::Url::parse(&self.url)?;
        let host = url.query_pairs().find(|(name, _)| name == "host");
        let (_, folder) = host.context("the address names no socket")?;
        Ok(PathBuf::from(folder.into_owned()))
    }

    /// One of PostgreSQL's programs, as the data's owner, from the folder of the server that runs.
    async fn program<'w>(
        &self,
        name: &str,
        words: impl IntoIterator<Item = &'w str>,
    ) -> anyhow::Result<()> {
        let line = fs::read_to_string(self.data().join("postmaster.opts"))
            .context("read how the server was started")?;
        let server = PathBuf::from(line.split_whitespace().next().unwrap_or_default());
        let program = server.parent().context("no bin folder")?.join(name);
        let owner = fs::metadata(self.data()).context("check the data")?;
        let mut command = Command::new(&program);
        command
            .args(words)
            .env("LC_ALL", "C")
            .current_dir(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .process_group(0);
        let me = fs::metadata("/proc/self").map(|meta| meta.uid());
        if me.is_ok_and(|me| me == 0) {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let log = self.root.join(format!("{name}.err"));
        command.stderr(fs::File::create(&log).context("open a log")?);
        let status = timeout(PATIENCE * 2, command.status())
            .await
            .with_context(|| format!("{name} did not end"))?
            .with_context(|| format!("run {}", program.display()))?;
        if !status.success() {
            let words = fs::read_to_string(&log).unwrap_or_default();
            bail!("{name} failed ({status}): {}", words.trim());
        }
        Ok(())
    }
}
