//! What was typed, told beside the witness: a line of a file in the state directory for each command that wrote, on disk
//! before the command ends. A restored database does not know the commands of its lost window; the file does.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::args::{Command, DepositCommand, OrderCommand, ShippedArgs};
use super::failure::Failure;
use super::out::note;
use super::session::Session;
use crate::action::quoted;
use crate::store::{state_dir, witness};

/// The file's name in the state directory.
const FILE: &str = "acts";

/// One command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Act {
    /// Names it here and in the database.
    pub(crate) id: String,
    /// When, by the database's clock.
    pub(crate) at: DateTime<Utc>,
    /// Who.
    pub(crate) actor: String,
    /// As it can be typed again.
    pub(crate) command: String,
}

/// Commands that keep something back. Not in force after a restore, they let go what nobody wants to go.
const KEEPS_BACK: [&str; 13] = [
    "pause ",
    "stop-shipping ",
    "unbegin ",
    "order hold ",
    "order cancel ",
    "order end ",
    "order recall ",
    // Goods whose money went back must not go.
    "order refund ",
    "order void ",
    "order shipped ",
    "wave abandon ",
    // An order whose deposit was taken away must not go.
    "deposit move ",
    "deposit void ",
];

/// Arguments whose values are personal data.
const NAMES_SOMEBODY: [&str; 2] = ["--name", "--company"];

/// What `begin` is told of orders that are not to be shipped from here.
const CLASSES: [&str; 3] = ["--leave", "--history", "--classes"];

impl Act {
    /// It keeps something back until it is typed again.
    pub(crate) fn keeps_back(&self) -> bool {
        let command = self.command.as_str();
        let lifts = command.starts_with("stop-shipping lift ");
        let named = |word: &str| {
            let word = word.split_once('=').map_or(word, |(word, _)| word);
            CLASSES.contains(&word)
        };
        let classes = command.strip_prefix("begin ");
        let classes = classes.is_some_and(|rest| rest.split_whitespace().any(named));
        !lifts && (classes || KEEPS_BACK.iter().any(|kind| command.starts_with(kind)))
    }
}

/// Those of these commands, oldest first, that a database which knows only those `known` has lost and that were not typed
/// again since.
pub(crate) fn lost(acts: Vec<Act>, known: &BTreeSet<String>) -> Vec<Act> {
    let (kept, lost): (Vec<Act>, Vec<Act>) =
        acts.into_iter().partition(|act| known.contains(&act.id));
    let again = |act: &Act| {
        kept.iter()
            .any(|k| k.command == act.command && k.at > act.at)
    };
    lost.into_iter().filter(|act| !again(act)).collect()
}

/// Writes down a command that was carried out, in the database and beside the witness. What is done is done: where this
/// fails the command has not, and a line says what is missing.
pub(crate) async fn tell(session: &Session, typed: &[OsString]) {
    tell_command(session, command(typed)).await;
}

/// The same of a command that is not written down as it was typed.
pub(crate) async fn tell_command(session: &Session, command: String) {
    let id = match random() {
        Ok(id) => id,
        Err(error) => return missing(&error.to_string()),
    };
    let at = match session.store.acted(&id, &session.actor, &command).await {
        Ok(at) => at,
        Err(error) => return missing(&error.to_string()),
    };
    let act = Act {
        id,
        at,
        actor: session.actor.clone(),
        command,
    };
    if let Err(error) = append(&session.loaded.settings.database.state_dir, &act) {
        missing(&error.to_string());
    }
}

/// What a command takes from the clock is typed for it, so that it says the same when it is typed again after a restore.
pub(crate) async fn dated(
    session: &Session,
    command: &mut Command,
) -> Result<Vec<OsString>, Failure> {
    let words = match command {
        Command::Order(OrderCommand::Shipped(ShippedArgs { shipped_at, .. }))
            if shipped_at.is_none() =>
        {
            let now = session.store.now().await?;
            *shipped_at = Some(now);
            let now = now.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            vec!["--shipped-at".to_owned(), now]
        }
        Command::Deposit(DepositCommand::Add { date, .. }) if date.is_none() => {
            let today = session.today().await?;
            *date = Some(today);
            vec!["--date".to_owned(), today.to_string()]
        }
        _ => Vec::new(),
    };
    Ok(words.into_iter().map(OsString::from).collect())
}

fn missing(why: &str) {
    note(&format!(
        "done, but not recorded next to the witness file ({why}): after a restore, `hikiate recover` cannot list this command"
    ));
}

fn random() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(hex::encode(bytes))
}

/// The command line without the program, its configuration and who typed it, quoted for a shell.
fn command(typed: &[OsString]) -> String {
    let mut words = Vec::new();
    let mut rest = typed.iter().skip(1);
    while let Some(word) = rest.next() {
        let word = word.to_string_lossy();
        // A receiver's name is kept with the addresses only: whoever types it again types it anew.
        let names_somebody = NAMES_SOMEBODY.iter().find(|key| {
            let rest = word.strip_prefix(**key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        });
        if let Some(key) = names_somebody {
            if word == **key {
                rest.next();
            }
            words.push(format!("{key} NAME"));
        } else if word == "--config" || word == "--actor" {
            rest.next();
        } else if !["--config=", "--actor="]
            .iter()
            .any(|own| word.starts_with(own))
            && word != "--json"
        {
            words.push(quoted(&word));
        }
    }
    words.join(" ")
}

/// Adds a line and waits until it is on disk. Only where a daemon keeps its witness: another host's file would never be
/// compared with a restored database.
fn append(state_dir: &Path, act: &Act) -> io::Result<()> {
    if !state_dir.join(witness::FILE).exists() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "{} is not the state directory of a daemon that has run",
                state_dir.display()
            ),
        ));
    }
    // Typed by root, it can still be written to by the user that the daemon runs as.
    let mut file = state_dir::open(state_dir, FILE, OpenOptions::new().read(true).append(true))?;
    let mut line = serde_json::to_string(act)?;
    line.push('\n');
    // A line that was cut short keeps to itself.
    if !ends_whole(&mut file)? {
        line.insert(0, '\n');
    }
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    File::open(state_dir)?.sync_all()
}

fn ends_whole(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// Commands of the file since a time, oldest first; a line that is damaged is none. `None` where there is no file.
pub(crate) fn since(state_dir: &Path, since: DateTime<Utc>) -> Option<Vec<Act>> {
    let text = std::fs::read(state_dir.join(FILE)).ok()?;
    let text = String::from_utf8_lossy(&text);
    let acts = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Act>(line).ok());
    Some(acts.filter(|act| act.at >= since).collect())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn act(id: &str, minutes: i64) -> Act {
        Act {
            id: id.to_owned(),
            at: DateTime::UNIX_EPOCH + chrono::Duration::minutes(minutes),
            actor: "hanako".to_owned(),
            command: "order hold HK1 --reason 'a b'".to_owned(),
        }
    }

    #[test]
    fn a_command_is_written_as_it_can_be_typed_again_without_its_configuration() {
        let typed = [
            "hikiate",
            "--config",
            "/x",
            "--json",
            "order",
            "hold",
            "HK1",
            "--reason",
            "it's late",
            "--config=/y",
            "--actor",
            "taro",
        ];
        let typed: Vec<OsString> = typed.into_iter().map(OsString::from).collect();
        assert_eq!(command(&typed), r"order hold HK1 --reason 'it'\''s late'");
    }

    #[test]
    fn a_receivers_name_is_not_written_down() {
        let typed = "hikiate order set-name HK1 --name 山田太郎 --company=山田商店 --reason x";
        let typed: Vec<OsString> = typed.split(' ').map(OsString::from).collect();
        assert_eq!(
            command(&typed),
            "order set-name HK1 --name NAME --company NAME --reason x"
        );
    }

    #[test]
    fn what_keeps_something_back_is_told_from_what_lets_go() {
        let keeps = |command: &str| {
            let command = command.to_owned();
            Act {
                command,
                ..act("a", 1)
            }
            .keeps_back()
        };
        for command in [
            "pause shop --reason x",
            "stop-shipping --reason x",
            "begin shop --leave HK1 HK2 --reason x",
            "begin shop --from 2026-11-20T00:00:00Z --history=HK1 --reason x",
            "begin shop --classes classes.csv --reason x",
            "wave abandon tokyo-3pl-instruct-20261120T1500-1 --not-imported --reason x",
        ] {
            assert!(keeps(command), "{command}");
        }
        for command in [
            "stop-shipping lift 1 --reason x",
            "order release HK1 --reason x",
            "resume shop --reason x",
            "begin shop --from 2026-11-20T00:00:00Z --left-until 2026-12-01T00:00:00Z --reason x",
            "begin shop --adopt HK1 --reason x",
            "wave seal tokyo",
        ] {
            assert!(!keeps(command), "{command}");
        }
    }

    #[test]
    fn what_was_typed_again_after_the_restore_is_not_lost_any_more() {
        let other = Act {
            command: "pause shop --reason x".to_owned(),
            ..act("b", 2)
        };
        let known = BTreeSet::from(["before".to_owned(), "again".to_owned()]);
        let acts = vec![act("before", 0), act("a", 1), other.clone()];
        let lost_of = |acts: &[Act]| -> Vec<String> {
            let left = lost(acts.to_vec(), &known).into_iter();
            left.map(|act| act.id).collect()
        };
        assert_eq!(lost_of(&acts), ["a", "b"]);
        let again = [acts, vec![act("again", 3)]].concat();
        assert_eq!(lost_of(&again), ["b"]);
    }

    #[test]
    fn a_line_that_was_cut_short_takes_no_other_with_it() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(witness::FILE), "").unwrap();
        append(dir.path(), &act("a", 1)).unwrap();
        let path = dir.path().join(FILE);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"id\":\"torn");
        std::fs::write(&path, text).unwrap();
        append(dir.path(), &act("b", 2)).unwrap();
        let read = |minutes| {
            let from = DateTime::UNIX_EPOCH + chrono::Duration::minutes(minutes);
            let acts = since(dir.path(), from).unwrap();
            acts.into_iter().map(|act| act.id).collect::<Vec<_>>()
        };
        assert_eq!(read(0), ["a", "b"]);
        assert_eq!(read(2), ["b"]);
    }

    #[test]
    fn where_no_daemon_keeps_a_witness_nothing_is_written() {
        let dir = tempfile::tempdir().unwrap();
        assert!(append(dir.path(), &act("a", 1)).is_err());
        assert_eq!(since(dir.path(), DateTime::UNIX_EPOCH), None);
    }
}
