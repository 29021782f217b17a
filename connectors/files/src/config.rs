//! The account's keys in TOML, every problem told at once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use hikiate_sdk::duration::Span;
use hikiate_sdk::{AccountConfig, Problem, SecretRef};
use nix::unistd::{AccessFlags, access};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::client::{Access, Folder, LocalFolder, SftpAddress};
use crate::layout::{Layout, PickedUp, SHIPPED};
use crate::words::span;

/// `[accounts.NAME]` with `connector = "files"`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A folder on this machine; either this or `[accounts.NAME.sftp]`.
    pub folder: Option<String>,
    /// A folder over SFTP.
    pub sftp: Option<SftpSettings>,
    /// The name of a layout that comes with the program, or the path of a layout file.
    pub layout: String,
    /// Where our files go, below the folder. Default `outgoing`.
    pub outgoing: Option<String>,
    /// Where files for us appear. Default `incoming`.
    pub incoming: Option<String>,
    /// Where files go once they are read and stored. Default `archive`.
    pub archive: Option<String>,
    /// How long archived files are kept. Without it, for ever. At least `1d`: after a restore they are read again.
    pub archive_for: Option<Span>,
    /// Where the external system moves our files to, when the layout says `picked_up = "moved"`.
    pub picked_up_to: Option<String>,
    /// How often to look for files. Default `60s`.
    pub interval: Option<Span>,
    /// How long a file must stay unchanged when the layout says `whole = "stable"`. Default `5s`.
    pub stable_for: Option<Span>,
    /// How long a file without a final line end must stay unchanged when the layout says `whole = "stable"`. Default `5m`.
    pub unended_after: Option<Span>,
    /// Permission bits of the files that go out, in octal: `"0640"`. Default: as the process makes files.
    pub mode: Option<String>,
    /// The group of the files that go out, by its name; in a folder of this machine only.
    pub group: Option<String>,
    /// What is read at once.
    pub budget: Option<BudgetSettings>,
    /// Codes for cells, as `values.NAME`.
    pub values: Option<Map<String, Value>>,
    /// Account titles of journals: the title in the configuration to the one in these books.
    pub titles: Option<BTreeMap<String, String>>,
}

/// `[accounts.NAME.sftp]`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SftpSettings {
    /// Host name or address.
    pub host: String,
    /// Default 22.
    pub port: Option<u16>,
    /// Login name.
    pub user: String,
    /// The host key's fingerprint as `ssh-keygen -lf` shows it, `SHA256:…`; no other key is talked to.
    pub host_key: String,
    /// Where the private key is, in OpenSSH form without passphrase.
    pub key: SecretRef,
    /// A folder before all others. Default: where the login starts.
    pub root: Option<String>,
    /// For connecting and for each request. Default `30s`.
    pub timeout: Option<Span>,
}

/// `[accounts.NAME.budget]`: what is read at once. Longer files and listings are read in slices.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BudgetSettings {
    /// Records of a page. Default 10000.
    pub records: Option<usize>,
    /// Bytes of a file that are read as one slice. Default 4194304.
    pub bytes: Option<usize>,
    /// Bytes of a row; a longer one is bad. Default 262144, `bytes` where that is less.
    pub row_bytes: Option<usize>,
    /// Files of a listing that are looked at in one page. Default 10000.
    pub listing: Option<usize>,
    /// Without a byte for so long, reading is given up until the next try. Default `60s`.
    pub idle: Option<Span>,
}

/// The least that archived files are kept.
const DAY: Duration = Duration::from_secs(86_400);

/// What is read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) records: usize,
    pub(crate) bytes: usize,
    pub(crate) row_bytes: usize,
    pub(crate) listing: usize,
    pub(crate) idle: Duration,
}

/// Folders of an account, below its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) outgoing: String,
    pub(crate) incoming: String,
    pub(crate) archive: String,
    pub(crate) picked_up_to: Option<String>,
}

/// Where the account's folder is.
pub(crate) enum Place {
    Local(LocalFolder),
    Sftp(Arc<dyn Folder>),
}

/// Settings that were found right.
pub(crate) struct Ready {
    pub(crate) place: Place,
    /// Where its folders are, by one name for all accounts that reach them.
    pub(crate) root: String,
    pub(crate) layout: Layout,
    pub(crate) zone: Tz,
    pub(crate) places: Places,
    pub(crate) archive_for: Option<Duration>,
    pub(crate) interval: Duration,
    pub(crate) stable_for: Duration,
    pub(crate) unended_after: Duration,
    pub(crate) budget: Budget,
    pub(crate) values: Value,
    pub(crate) titles: BTreeMap<String, String>,
    /// What its keys mean that no other key shows.
    pub(crate) says: Vec<String>,
}

/// A table that is read key by key, so that one wrong key does not hide the others.
struct Table<'a> {
    left: Map<String, Value>,
    prefix: &'static str,
    problems: &'a mut Vec<Problem>,
}

impl Table<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn take<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.left.remove(name)?;
        match serde_json::from_value(value) {
            Ok(value) => Some(value),
            Err(e) => {
                self.problems
                    .push(Problem::new(self.key(name), e.to_string()));
                None
            }
        }
    }

    fn need<T: DeserializeOwned>(&mut self, name: &str, why: &str) -> Option<T> {
        if !self.left.contains_key(name) {
            self.problems
                .push(Problem::new(self.key(name), format!("is missing: {why}")));
        }
        self.take(name)
    }

    /// A folder below the root.
    fn folder(&mut self, name: &str) -> Option<String> {
        let path: String = self.take(name)?;
        let part = |p: &str| !matches!(p, "" | "." | "..");
        if path.split('/').all(part) {
            return Some(path);
        }
        self.problems.push(Problem::new(
            self.key(name),
            format!("{path:?} must be a folder below the account's, for example \"to_wms\""),
        ));
        None
    }

    /// Permission bits in octal.
    fn mode(&mut self) -> Option<u32> {
        let text = self.take::<String>("mode")?;
        let octal =
            (3..=4).contains(&text.len()) && text.bytes().all(|b| (b'0'..=b'7').contains(&b));
        let mode = u32::from_str_radix(&text, 8)
            .ok()
            .filter(|mode| octal && *mode <= 0o777);
        match mode {
            Some(mode) if mode & 0o600 == 0o600 => return Some(mode),
            Some(_) => self.problems.push(Problem::new(
                "mode",
                format!(
                    "{text:?} would lock hikiate out of its own files: use a mode that begins with 06"
                ),
            )),
            None => self.problems.push(Problem::new(
                "mode",
                format!(
                    "{text:?} is not a file mode: use octal permission bits, for example \"0640\""
                ),
            )),
        }
        None
    }

    fn finish(self) {
        for name in self.left.keys() {
            let message = "is not a key of a files account: see the connector's README".to_owned();
            self.problems
                .push(Problem::new(format!("{}{name}", self.prefix), message));
        }
    }
}

/// Reads an account's table, its layout and its key.
///
/// # Errors
/// Every problem found.
pub(crate) fn read(account: &AccountConfig<'_>) -> Result<Ready, Vec<Problem>> {
    let mut problems = Vec::new();
    let Value::Object(all) = account.settings else {
        return Err(vec![Problem::new("", "must be a table")]);
    };
    let mut table = Table {
        left: all.clone(),
        prefix: "",
        problems: &mut problems,
    };
    let layout = table.need::<String>(
        "layout",
        "set the name of a built-in layout, or the path of a layout file",
    );
    let places = Places {
        outgoing: table
            .folder("outgoing")
            .unwrap_or_else(|| "outgoing".to_owned()),
        incoming: table
            .folder("incoming")
            .unwrap_or_else(|| "incoming".to_owned()),
        archive: table
            .folder("archive")
            .unwrap_or_else(|| "archive".to_owned()),
        picked_up_to: table.folder("picked_up_to"),
    };
    let archive_for = table.take::<Span>("archive_for").map(|span| span.0);
    let interval = table
        .take::<Span>("interval")
        .map_or(Duration::from_secs(60), |s| s.0);
    let stable_for = table
        .take::<Span>("stable_for")
        .map_or(Duration::from_secs(5), |s| s.0);
    let unended_after = table
        .take::<Span>("unended_after")
        .map_or(Duration::from_secs(300), |s| s.0);
    let budget_keys = table.take("budget").unwrap_or_default();
    let budget = budget(budget_keys, &mut table);
    let access = Access {
        mode: table.mode(),
        group: table.take("group"),
    };
    let values = Value::Object(table.take("values").unwrap_or_default());
    let titles = table.take("titles").unwrap_or_default();
    let folder = table.take::<String>("folder");
    let sftp = table.take::<Map<String, Value>>("sftp");
    table.finish();

    if let (Some(_), Some(_)) = (&sftp, &access.group) {
        problems.push(Problem::new(
            "group",
            "works for a folder on this machine only: over SFTP the server decides",
        ));
    }
    let access_words = access_in_words(&access);
    let root = root(account.base_dir, folder.as_deref(), sftp.as_ref());
    let local = folder.is_some();
    let place = match (folder, sftp) {
        (Some(path), None) => {
            let folder = LocalFolder::new(account.base_dir.join(path));
            Some(Place::Local(
                folder.with_idle(budget.idle).with_access(access),
            ))
        }
        (None, Some(keys)) => {
            let read = (budget.idle, access.mode);
            sftp_place(keys, account.base_dir, read, &mut problems).map(Place::Sftp)
        }
        (Some(_), Some(_)) => {
            problems.push(Problem::new(
                "folder",
                "is set together with [sftp]: keep only one of the two",
            ));
            None
        }
        (None, None) => {
            if !all.contains_key("folder") && !all.contains_key("sftp") {
                problems.push(Problem::new(
                    "folder",
                    "is missing: write folder = \"/path\" or a table [sftp]",
                ));
            }
            None
        }
    };
    if [&places.outgoing, &places.archive].contains(&&places.incoming)
        || places.outgoing == places.archive
    {
        problems.push(Problem::new(
            "incoming",
            "outgoing, incoming and archive must be three different folders",
        ));
    }
    if archive_for.is_some_and(|kept| kept < DAY) {
        problems.push(Problem::new(
            "archive_for",
            "is too short; use at least \"1d\": after a restore, archived files are read again",
        ));
    }
    if interval.is_zero() {
        problems.push(Problem::new("interval", "must be longer than 0s"));
    }
    let layout = layout.and_then(|name| {
        load(&name, account.base_dir)
            .map_err(|m| problems.extend(m.into_iter().map(|m| Problem::new("layout", m))))
            .ok()
    });
    let mut zone = chrono_tz::UTC;
    if let Some(layout) = &layout {
        let name = layout.zone.as_deref().unwrap_or(account.timezone);
        match name.parse() {
            Ok(found) => zone = found,
            Err(_) => problems.push(Problem::new(
                "layout",
                format!("{name:?} is not a time zone: use a name like Asia/Tokyo"),
            )),
        }
        match (layout.picked_up, &places.picked_up_to) {
            (PickedUp::Moved, None) if !all.contains_key("picked_up_to") => problems.push(Problem::new("picked_up_to", "is missing: the layout says picked_up = \"moved\", so set the folder that hikiate's files are moved to")),
            (PickedUp::Kept | PickedUp::Removed, Some(_)) => problems.push(Problem::new("picked_up_to", "has no effect: the layout does not say picked_up = \"moved\"")),
            _ => {}
        }
    }
    match (place, layout) {
        (Some(place), Some(layout)) if problems.is_empty() => {
            let says = [
                Some(root_in_words(&root, local, &places, &layout)),
                layout.writes().then_some(access_words),
                layout.reads().then(|| budget.in_words()),
            ];
            Ok(Ready {
                place,
                zone,
                places,
                archive_for,
                interval,
                stable_for,
                unended_after,
                root,
                says: says.into_iter().flatten().collect(),
                layout,
                budget,
                values,
                titles,
            })
        }
        _ => Err(problems),
    }
}

/// What is to be said of a group that is not there. It is no mistake of the configuration: a command may run on another
/// machine than the daemon, and where files are written it is refused.
fn no_group(name: &str) -> String {
    match nix::unistd::Group::from_name(name) {
        Ok(Some(_)) => String::new(),
        Ok(None) => ", which does not exist on this machine: create it where the daemon runs; nothing is written until then".to_owned(),
        Err(e) => format!(", which cannot be looked up on this machine: {e}"),
    }
}

/// The folder of this machine, or of a server.
fn root(base: &Path, folder: Option<&str>, sftp: Option<&Map<String, Value>>) -> String {
    if let Some(folder) = folder {
        let path = base.join(folder);
        let path = std::path::absolute(&path).unwrap_or(path);
        let real = path.canonicalize().unwrap_or(path);
        return real.display().to_string();
    }
    let key = |name: &str| sftp.and_then(|keys| keys.get(name)).and_then(Value::as_str);
    let port = sftp
        .and_then(|keys| keys.get("port"))
        .and_then(Value::as_u64);
    let (host, path) = (
        key("host").unwrap_or_default(),
        key("root").unwrap_or_default(),
    );
    format!(
        "sftp://{host}:{}/{}",
        port.unwrap_or(22),
        path.trim_matches('/')
    )
}

/// A folder below an account's, by one name for all accounts that reach it, through a link as well.
pub(crate) fn real(place: &Place, root: &str, below: &str) -> String {
    let name = format!("{root}/{below}");
    let found = match place {
        Place::Local(_) => Path::new(&name).canonicalize().ok(),
        Place::Sftp(_) => None,
    };
    found.map_or(name, |real| real.display().to_string())
}

/// Where files are looked for and written, and what is missing there. It is no mistake of the configuration: a command may run
/// on another machine than the daemon, and as another user.
fn root_in_words(root: &str, local: bool, places: &Places, layout: &Layout) -> String {
    let Places {
        incoming,
        outgoing,
        archive,
        ..
    } = places;
    let folders = if layout.reads() {
        format!("its folders {incoming}, {outgoing} and {archive} are in {root}")
    } else {
        format!("its folder {outgoing} is in {root}")
    };
    let path = Path::new(root);
    if !local {
        return folders;
    }
    if !path.is_dir() {
        return folders + ", which does not exist on this machine now: files wait until it does";
    }
    let unwritten = layout.writes().then(|| unwritten(&path.join(outgoing)));
    match unwritten.flatten() {
        Some(why) => format!("{folders}; {outgoing} {why}"),
        None => folders,
    }
}

/// Why no file can be written into a folder here.
fn unwritten(folder: &Path) -> Option<String> {
    if !folder.is_dir() {
        let why = "does not exist on this machine now: files wait until it does";
        return Some(why.to_owned());
    }
    let error = access(folder, AccessFlags::W_OK | AccessFlags::X_OK).err()?;
    Some(format!(
        "cannot be written to by this user on this machine ({error}): files wait until the daemon's user can"
    ))
}

/// Who may read the files that go out.
fn access_in_words(access: &Access) -> String {
    let mode = access.mode.map_or_else(
        || "the mode from the process's umask".to_owned(),
        |mode| format!("the mode {mode:04o}"),
    );
    match &access.group {
        Some(group) => format!(
            "outgoing files have {mode} and the group {group}{}",
            no_group(group)
        ),
        None => format!("outgoing files have {mode}"),
    }
}

impl Budget {
    /// What is read at once.
    fn in_words(&self) -> String {
        let Self {
            records,
            bytes,
            row_bytes,
            listing,
            idle,
        } = self;
        format!(
            "a page has at most {records} records or {bytes} bytes of a file, a row at most {row_bytes} bytes (a longer one goes to quarantine); longer files are fetched in slices; {listing} files of a folder are listed per page; a read times out {} after the last byte",
            span(*idle)
        )
    }
}

fn budget(keys: BudgetSettings, table: &mut Table<'_>) -> Budget {
    let mut at_least = |name: &str, value: Option<usize>, default: usize, least: usize| {
        let value = value.unwrap_or(default);
        if value < least {
            let message = format!("must be at least {least}");
            table
                .problems
                .push(Problem::new(format!("budget.{name}"), message));
        }
        value
    };
    let records = at_least("records", keys.records, 10_000, 1);
    let bytes = at_least("bytes", keys.bytes, 4 << 20, 1_024);
    // Where only the slices are made smaller, no row is longer than one.
    let most = bytes.clamp(1_024, 256 << 10);
    let row_bytes = at_least("row_bytes", keys.row_bytes, most, 1_024);
    let listing = at_least("listing", keys.listing, 10_000, 1);
    if row_bytes > bytes && bytes >= 1_024 {
        let message = format!(
            "is {row_bytes}, more than budget.bytes ({bytes}), the limit of one read: lower it, or raise budget.bytes"
        );
        table
            .problems
            .push(Problem::new("budget.row_bytes", message));
    }
    let idle = keys.idle.map_or(Duration::from_secs(60), |s| s.0);
    if idle < Duration::from_secs(1) {
        let message = "must be at least 1s";
        table.problems.push(Problem::new("budget.idle", message));
    }
    Budget {
        records,
        bytes,
        row_bytes,
        listing,
        idle,
    }
}

fn sftp_place(
    keys: Map<String, Value>,
    base: &Path,
    (idle, mode): (Duration, Option<u32>),
    problems: &mut Vec<Problem>,
) -> Option<Arc<dyn Folder>> {
    let mut table = Table {
        left: keys,
        prefix: "sftp.",
        problems,
    };
    let host = table.need::<String>("host", "write the server's name");
    let port = table.take("port").unwrap_or(22);
    let user = table.need::<String>("user", "write the login name");
    let pin = table.need::<String>(
        "host_key",
        "ask the warehouse for its host key's fingerprint, SHA256:…",
    );
    let key = table.need::<SecretRef>("key", "write { file = \"/path\" } of the private key");
    let root = table.take::<String>("root").unwrap_or_default();
    let timeout = table
        .take::<Span>("timeout")
        .map_or(Duration::from_secs(30), |s| s.0);
    table.finish();
    if let Some(pin) = &pin
        && !is_fingerprint(pin)
    {
        problems.push(Problem::new(
            "sftp.host_key",
            "is not a fingerprint: use SHA256: and 43 characters, as `ssh-keygen -lf` shows it",
        ));
    }
    let key = key.map(|mut key| {
        key.file = key.file.map(|file| base.join(file));
        if let Some(next) = &mut key.next {
            next.file = next.file.take().map(|file| base.join(file));
        }
        key
    });
    let secret = key?
        .open()
        .map_err(|m| problems.push(Problem::new("sftp.key", m)))
        .ok()?;
    let address = SftpAddress {
        host: host?,
        port,
        user: user?,
        host_key: pin?,
        root,
        timeout,
        idle,
        mode,
    };
    address
        .folder(secret)
        .map_err(|m| problems.push(Problem::new("sftp.key", m)))
        .ok()
}

fn is_fingerprint(text: &str) -> bool {
    text.strip_prefix("SHA256:").is_some_and(|rest| {
        rest.len() == 43
            && rest
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+/".contains(&b))
    })
}

/// Reads a layout by name or path and checks it.
///
/// # Errors
/// Every problem of the layout, each with its place in it.
pub fn load(name: &str, base: &Path) -> Result<Layout, Vec<String>> {
    let is_path =
        name.contains(['/', '\\']) || Path::new(name).extension().is_some_and(|e| e == "toml");
    let text = if is_path {
        let path = base.join(name);
        std::fs::read_to_string(&path)
            .map_err(|e| vec![format!("cannot read {}: {e}", path.display())])?
    } else {
        let found = SHIPPED
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, text)| (*text).to_owned());
        let known: Vec<_> = SHIPPED.iter().map(|(n, _)| *n).collect();
        found.ok_or_else(|| vec![format!("no built-in layout is named {name:?}: available are {}; the path of a layout file contains / or ends in .toml", known.join(", "))])?
    };
    let layout: Layout = toml::from_str(&text).map_err(|e| vec![format!("{name}: {e}")])?;
    let problems: Vec<_> = layout
        .problems()
        .into_iter()
        .map(|p| format!("{name}: {p}"))
        .collect();
    if problems.is_empty() {
        Ok(layout)
    } else {
        Err(problems)
    }
}
