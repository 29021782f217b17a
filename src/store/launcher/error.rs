use std::io;
use std::path::{Path, PathBuf};

/// Why a private cluster could not be started or stopped; each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum LauncherError {
    /// No usable PostgreSQL server binaries on this machine.
    #[error(
        "PostgreSQL is not installed here (looked in {looked}). Install it \
         (Debian, Ubuntu: `apt install postgresql`; Fedora, RHEL: `dnf install postgresql-server`; \
         macOS: `brew install postgresql`), or name its bin folder in HIKIATE_PG_BIN, \
         or give a database URL"
    )]
    BinariesMissing {
        /// The places that were searched.
        looked: String,
    },
    /// `HIKIATE_PG_BIN` names a folder without the server's binaries.
    #[error("HIKIATE_PG_BIN names {}, which lacks `{program}`; set it to the folder that holds `postgres`, `initdb` and `pg_ctl`", dir.display())]
    BadBinDir {
        /// The folder from the environment.
        dir: PathBuf,
        /// The first program that is not in it.
        program: &'static str,
    },
    /// A file or folder could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// PostgreSQL refuses root, and the unprivileged user cannot reach the state directory.
    #[error(
        "PostgreSQL refuses to run as root, and as user `{user}` it cannot enter {}: \
         `chmod o+x {}`, use a state directory elsewhere (for example /var/lib/hikiate), \
         or run hikiate as an ordinary user",
        dir.display(),
        dir.display()
    )]
    Unsearchable {
        /// The first folder on the way that refuses.
        dir: PathBuf,
        /// The user the server would run as.
        user: String,
    },
    /// Started as root, and there is no user to drop to.
    #[error(
        "PostgreSQL refuses to run as root, and this system has neither a user `hikiate` nor `postgres`: \
         make one (`useradd --system --no-create-home hikiate`), or run hikiate as an ordinary user"
    )]
    NoUnprivilegedUser,
    /// An earlier version ran the server as `nobody`.
    #[error(
        "the data in {} belong to `nobody`, so that processes of other programs may read them. Stop the server that still runs \
         on them, if there is one, then: `chown -R {}: {}`",
        root.display(),
        user.as_deref().unwrap_or("<a user of its own>"),
        root.display()
    )]
    NobodysData {
        /// The cluster's folder.
        root: PathBuf,
        /// Who may have them.
        user: Option<String>,
    },
    /// Started as root on the state directory of another user, whose daemon could not use it afterwards.
    #[error(
        "the state directory {} belongs to user `{user}`: run hikiate as that user (`sudo -u {user} hikiate …`), or give root \
         a state directory of its own ([database] state_dir)",
        dir.display()
    )]
    OthersState {
        /// The state directory.
        dir: PathBuf,
        /// Its owner.
        user: String,
    },
    /// The process runs under a user id that the system does not know.
    #[error(
        "user id {uid} has no entry in /etc/passwd, and PostgreSQL needs one (a container started with --user?); add the entry, or give a database URL"
    )]
    NoPasswdEntry {
        /// The effective user id.
        uid: u32,
    },
    /// Another daemon owns this cluster.
    #[error(
        "another hikiate is running on {} (it holds {}); stop it first, or give this one its own state directory",
        dir.display(),
        lock.display()
    )]
    Locked {
        /// The cluster's folder.
        dir: PathBuf,
        /// The locked file.
        lock: PathBuf,
    },
    /// Nobody runs the private cluster.
    #[error(
        "no daemon is running on {}: start `hikiate run`, or give a database with DATABASE_URL",
        state_dir.display()
    )]
    NotRunning {
        /// The state directory.
        state_dir: PathBuf,
    },
    /// The data is of another major version than any installed server.
    #[error(
        "{} was written by PostgreSQL {found}, the installed server is {installed}. Nothing was touched. \
         Install PostgreSQL {found} beside it, or upgrade the data: {advice}",
        data.display()
    )]
    VersionMismatch {
        /// The data directory.
        data: PathBuf,
        /// Its major version.
        found: u32,
        /// The binaries' major version.
        installed: u32,
        /// The `pg_upgrade` line.
        advice: String,
    },
    /// A version could not be read.
    #[error("cannot read a PostgreSQL version from {text:?} ({})", path.display())]
    UnknownVersion {
        /// Program or file that was asked.
        path: PathBuf,
        /// What it said.
        text: String,
    },
    /// A PostgreSQL program failed.
    #[error("`{program}` failed: {message}")]
    Program {
        /// Which one.
        program: &'static str,
        /// The end of its own words.
        message: String,
    },
    /// The server ended while starting.
    #[error("PostgreSQL did not start; the end of {} says: {tail}", log.display())]
    StartFailed {
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
    /// The server lives but does not take connections in time.
    #[error("PostgreSQL did not take connections within {seconds} s; see {}", log.display())]
    NotReady {
        /// How long was waited, in seconds.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
    },
    /// A session in the cluster keeps the launcher from what it must change.
    #[error(
        "a session in the private cluster holds a lock that the start needs, and did not give it back within {seconds} s. The server \
         of a start that failed is stopped, and the session with it: start again. Where a daemon runs, end the session as \
         hikiate_admin (pg_stat_activity, pg_terminate_backend)"
    )]
    LockHeld {
        /// How long was waited, in seconds.
        seconds: u64,
    },
    /// A statement on the started server failed.
    #[error("the private cluster answered: {0}")]
    Database(#[from] sqlx::Error),
    /// A blocking step was cut off by the runtime's end.
    #[error("the launcher was interrupted: {0}")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// Adds what was attempted, and on what, to an I/O error.
pub(super) fn io_at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LauncherError {
    let path = path.to_owned();
    move |source| LauncherError::Io {
        action,
        path,
        source,
    }
}
