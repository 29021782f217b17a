//! The command line as it is typed: the real program, its output and its exit codes.

mod begin;
mod daemon;
mod database_tls;
mod deposits;
mod full_disk;
mod operators;
mod orders;
mod personal;
mod recover;
mod refusing;
mod usage;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A configuration in a folder of its own; its state directory is `state` below it.
struct Shop {
    dir: tempfile::TempDir,
    database: Option<String>,
}

impl Shop {
    /// A merchant whose shop and warehouse are never reached.
    fn new(database: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        // As root, the private server runs as another user.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        for folder in ["outgoing", "incoming", "archive"] {
            std::fs::create_dir_all(dir.path().join("wh").join(folder)).unwrap();
        }
        let toml = r#"
[shop]
name = "りんご屋"
[database]
state_dir = "state"
[http]
listen = "off"
[accounts.shop]
connector = "medusa"
url = "http://127.0.0.1:9"
token = { env = "SHOP_TOKEN" }
[accounts.wh]
connector = "files"
folder = "wh"
layout = "japanese-3pl-utf8"
[channels.shop]
begin = "all"
[channels.shop.payments]
"pp" = { method = "card", account = "shop" }
[warehouses.tokyo]
account = "wh"
dispatch = { mode = "continuous" }
reply_within = "never"
"#;
        std::fs::write(dir.path().join("hikiate.toml"), toml).unwrap();
        Self {
            dir,
            database: database.map(str::to_owned),
        }
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("hikiate.toml")
    }

    /// Changes a word of the configuration.
    fn edit(&mut self, from: &str, to: &str) {
        let old = std::fs::read_to_string(self.config()).unwrap();
        assert!(old.contains(from), "{from} is not in {old}");
        std::fs::write(self.config(), old.replacen(from, to, 1)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(&self.config(), self.database.as_deref(), arguments)
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments))
    }
}

/// The program, with nothing of our own environment.
pub(crate) fn command(config: &Path, database: Option<&str>, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hikiate"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HIKIATE_CONFIG", config)
        .env("USER", "hanako")
        .envs(database.map(|url| ("DATABASE_URL", url)))
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(mut command: Command) -> Self {
        Self::read(command.output().unwrap())
    }

    pub(crate) fn read(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Its output, when it ended with this code.
    #[track_caller]
    pub(crate) fn ended(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        &self.out
    }

    /// Its complaint, when it ended with this code.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, word: &str) {
        self.ended(code);
        assert!(self.err.contains(word), "{word:?} is not in {self:?}");
        assert!(self.out.is_empty(), "{self:?}");
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.ended(0)).unwrap()
    }
}
