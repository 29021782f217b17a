//! One PostgreSQL server of the soak: a private cluster, or a standby that becomes one.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use hikiate::store::launcher::{Cluster, ClusterOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use url::Url;

/// How long a server may take to come back, crash recovery included.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

/// A server below a state directory of its own.
pub(super) struct Node {
    options: ClusterOptions,
    root: PathBuf,
    cluster: Cluster,
}

impl Node {
    /// Makes the cluster if it is not there and starts it, or adopts it while it runs.
    ///
    /// # Errors
    /// The launcher's.
    pub(super) async fn start(options: ClusterOptions) -> anyhow::Result<Self> {
        let cluster = Cluster::start(&options).await.context("start PostgreSQL")?;
        Ok(Self {
            root: options.state_dir.join("postgres"),
            cluster,
            options,
        })
    }

    /// The address of a database for the daemon's role, by this node's own socket.
    pub(super) fn url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    /// Runs a statement as the superuser.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn execute(&self, statement: &str) -> anyhow::Result<()> {
        execute(&self.cluster.admin_url("postgres"), statement).await
    }

    /// Waits until a question is answered with true.
    ///
    /// # Errors
    /// When it is not, in a minute.
    pub(super) async fn until(&self, question: &str) -> anyhow::Result<()> {
        let began = Instant::now();
        while !ask(&self.cluster.admin_url("postgres"), question)
            .await
            .unwrap_or(false)
        {
            ensure!(began.elapsed() < PATIENCE, "never true: {question}");
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// The folder of its socket, from the address.
    ///
    /// # Errors
    /// When there is none in it.
    pub(super) fn socket(&self) -> anyhow::Result<PathBuf> {
        let url = Url::parse(&self.cluster.url("postgres"))?;
        let host = url.query_pairs().find(|(name, _)| name == "host");
        let (_, folder) = host.context("the address names no socket")?;
        Ok(PathBuf::from(folder.into_owned()))
    }

    /// `kill -9` of the postmaster, then a start on what it left.
    ///
    /// # Errors
    /// When it does not come back.
    pub(super) async fn kill(&mut self) -> anyhow::Result<()> {
        let text = fs::read_to_string(self.data().join("postmaster.pid"))
            .context("read the server's pid file")?;
        let pid = text.lines().next().unwrap_or_default().to_owned();
        let killed = Command::new("kill").args(["-9", &pid]).status().await;
        ensure!(killed.context("run kill")?.success(), "kill -9 {pid}");
        let began = Instant::now();
        loop {
            // Just after the kill its children may still hold its memory.
            match self.cluster.ensure_running().await {
                Ok(true) => return Ok(()),
                Ok(false) if began.elapsed() > PATIENCE => bail!("process {pid} survived kill -9"),
                Err(error) if began.elapsed() > PATIENCE => {
                    return Err(error).context("PostgreSQL does not restart after kill -9");
                }
                Ok(false) | Err(_) => sleep(LOOK).await,
            }
        }
    }

    /// `pg_ctl restart -m immediate`: all its processes are killed, and it recovers.
    ///
    /// # Errors
    /// When it does not come back.
    pub(super) async fn restart(&mut self) -> anyhow::Result<()> {
        let log = self.root.join("log/restarts.log").display().to_string();
        let seconds = PATIENCE.as_secs().to_string();
        let words = [
            "restart",
            "-w",
            "-m",
            "immediate",
            "-t",
            &seconds,
            "-l",
            &log,
        ];
        self.pg_ctl(&self.data(), &words).await?;
        self.cluster
            .ensure_running()
            .await
            .context("PostgreSQL does not restart after an immediate restart")?;
        Ok(())
    }

    /// Ends it as a fencing agent does: all its processes at once, nothing flushed.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) async fn fence(&self) -> anyhow::Result<()> {
        self.end(&self.data()).await
    }

    /// Ends a standby that is not to be promoted.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) async fn give_up(&self, standby: &Standby) -> anyhow::Result<()> {
        self.end(&standby.root.join("data")).await
    }

    async fn end(&self, data: &Path) -> anyhow::Result<()> {
        self.pg_ctl(data, &["stop", "-w", "-m", "immediate"]).await
    }

    /// Ends it in order.
    ///
    /// # Errors
    /// The launcher's.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.cluster.stop().await.context("stop PostgreSQL")
    }

    /// A base backup into `to`, taken while everything runs; with `more` words for `pg_basebackup`.
    ///
    /// # Errors
    /// `pg_basebackup`'s.
    pub(super) async fn back_up(&self, to: &Path, more: &[&str]) -> anyhow::Result<()> {
        let (run, to) = (self.socket()?, to.display().to_string());
        let run = run.display().to_string();
        let from = ["-h", &run, "-p", "5432", "-U", "hikiate_admin", "-D", &to];
        let how = ["-X", "stream", "--checkpoint=fast", "--no-password"];
        self.program("pg_basebackup", &[&from[..], &how, more].concat())
            .await
    }

    /// Stops it as a failure would, puts the backup in `root/backup` in the place of its data and starts it again.
    ///
    /// # Errors
    /// The launcher's, the file system's.
    pub(super) async fn put_back(self) -> anyhow::Result<Self> {
        let (data, root, options) = (self.data(), self.root.clone(), self.options.clone());
        self.stop().await?;
        fs::rename(&data, root.join("data.lost")).context("move the data away")?;
        fs::rename(root.join("backup"), &data).context("put the backup in place")?;
        Self::start(options).await
    }

    /// The place for a backup that is to be put back.
    pub(super) fn backup(&self) -> PathBuf {
        self.root.join("backup")
    }

    /// Makes a standby of this server below `state_dir` and starts it; it has this server's settings.
    ///
    /// # Errors
    /// `pg_basebackup`'s, `pg_ctl`'s.
    pub(super) async fn standby(&self, state_dir: &Path) -> anyhow::Result<Standby> {
        let root = state_dir.join("postgres");
        let owner = fs::metadata(self.data()).context("check the data")?;
        fs::create_dir_all(root.join("log")).context("make the standby's folders")?;
        let socket = self.socket()?;
        let run = socket
            .file_name()
            .context("the socket's folder has no name")?;
        ensure!(
            socket.parent() == Some(&*self.root),
            "{} is not below {}",
            socket.display(),
            self.root.display()
        );
        fs::create_dir_all(root.join(run)).context("make the standby's folders")?;
        for folder in [root.clone(), root.join("log"), root.join(run)] {
            private(&folder, owner.uid(), owner.gid())?;
        }
        self.back_up(&root.join("data"), &["-R"]).await?;
        // As the launcher would start it, so that it can adopt it after the promotion.
        let opts = fs::read_to_string(self.data().join("postmaster.opts"))
            .context("read how the server was started")?;
        let (_, settings) = opts
            .trim_end()
            .split_once(&format!("\"-D\" \"{}\" ", self.data().display()))
            .context("the server was started in another way")?;
        let settings = settings.replace(&*self.root.to_string_lossy(), &root.to_string_lossy());
        let log = root.join("log/standby.log").display().to_string();
        let words = ["start", "-w", "-l", &log, "-o", &settings];
        self.pg_ctl(&root.join("data"), &words).await?;
        let mut options = self.options.clone();
        options.state_dir = state_dir.to_owned();
        Ok(Standby {
            admin: behind(&self.cluster.admin_url("postgres"), &root.join(run))?,
            root,
            options,
        })
    }

    /// Promotes a standby of this server, which was fenced and whose data are deleted then.
    ///
    /// # Errors
    /// `pg_ctl`'s, the launcher's, the file system's.
    pub(super) async fn replace(self, standby: Standby) -> anyhow::Result<Self> {
        let data = standby.root.join("data");
        self.pg_ctl(&data, &["promote", "-w"]).await?;
        let promoted = Self::start(standby.options).await?;
        ensure!(
            promoted.cluster.is_adopted(),
            "the promoted server was restarted instead of adopted"
        );
        let old = self.data();
        self.stop().await?;
        fs::remove_dir_all(old).context("delete the fenced server's data")?;
        Ok(promoted)
    }

    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    async fn pg_ctl(&self, data: &Path, words: &[&str]) -> anyhow::Result<()> {
        let data = data.to_str().context("a path that is no text")?;
        self.program("pg_ctl", &[words, &["-D", data]].concat())
            .await
    }

    /// One of PostgreSQL's programs, as the data's owner, from the folder of this server's own.
    async fn program(&self, name: &str, words: &[&str]) -> anyhow::Result<()> {
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

/// A standby that follows a server.
pub(super) struct Standby {
    root: PathBuf,
    options: ClusterOptions,
    admin: String,
}

impl Standby {
    /// Cuts its line to the server that it follows: what is committed from now on it does not have.
    ///
    /// # Errors
    /// The database's.
    pub(super) async fn cut_off(&self) -> anyhow::Result<()> {
        execute(&self.admin, "ALTER SYSTEM SET primary_conninfo = ''").await?;
        execute(&self.admin, "SELECT pg_reload_conf()").await
    }
}

/// The same database behind the socket in another folder.
///
/// # Errors
/// When it is no address.
pub(super) fn behind(address: &str, folder: &Path) -> anyhow::Result<String> {
    let mut url = Url::parse(address).context("the database's address")?;
    let others: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| name != "host")
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let folder = folder.to_str().context("a path that is no text")?;
    url.query_pairs_mut()
        .clear()
        .append_pair("host", folder)
        .extend_pairs(others);
    Ok(url.to_string())
}

async fn execute(address: &str, statement: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(address).await?;
    let done = sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await;
    connection.close().await.ok();
    done.map(|_| ()).with_context(|| statement.to_owned())
}

async fn ask(address: &str, question: &str) -> anyhow::Result<bool> {
    let mut connection = PgConnection::connect(address).await?;
    let answer = sqlx::query_scalar(AssertSqlSafe(question))
        .fetch_one(&mut connection)
        .await;
    connection.close().await.ok();
    answer.with_context(|| question.to_owned())
}

/// A folder of the server's user alone.
fn private(folder: &Path, uid: u32, gid: u32) -> anyhow::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
        .and_then(|()| chown(folder, Some(uid), Some(gid)))
        .with_context(|| folder.display().to_string())
}
