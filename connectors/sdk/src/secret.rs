//! Where a secret is: in the environment or in a file, never in the configuration itself; and a secret in use, which may be
//! replaced while the process runs.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::fcntl::OFlag;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// `{ env = "NAME" }` or `{ file = "/run/credentials/…" }`. While a secret rotates, `next` names the place of the second value:
/// both are tried, and a file that is replaced is read again when its value is rejected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRef {
    /// An environment variable.
    #[serde(default)]
    pub env: Option<String>,
    /// A regular file of one line, or a private key; a byte-order mark and a trailing line break are dropped.
    #[serde(default)]
    pub file: Option<PathBuf>,
    /// A second value that may be valid too. It need not be there.
    #[serde(default)]
    pub next: Option<SecretPlace>,
}

/// The place of one value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretPlace {
    /// An environment variable.
    #[serde(default)]
    pub env: Option<String>,
    /// A regular file of one line, or a private key; a byte-order mark and a trailing line break are dropped.
    #[serde(default)]
    pub file: Option<PathBuf>,
}

/// Why a place has no value.
enum Unread {
    /// Nothing is there, or nothing that may be read.
    Missing(String),
    /// Something is there that is no secret.
    Wrong(String),
}

impl Unread {
    fn words(self) -> String {
        match self {
            Self::Missing(words) | Self::Wrong(words) => words,
        }
    }
}

impl SecretPlace {
    fn read(&self) -> Result<SecretString, String> {
        self.value().map_err(Unread::words)
    }

    fn value(&self) -> Result<SecretString, Unread> {
        let (place, text) = match (&self.env, &self.file) {
            (Some(name), None) => {
                let text = std::env::var(name).map_err(|_| {
                    Unread::Missing(format!(
                        "the environment variable {name} is not set: set it, or use {{ file = \"…\" }}"
                    ))
                })?;
                (format!("the environment variable {name}"), text)
            }
            (None, Some(path)) => {
                let place = format!("the secret file {}", path.display());
                let text = text_of(path).map_err(|error| {
                    let words = format!("cannot read {place}: {error}");
                    match error.kind() {
                        ErrorKind::InvalidInput | ErrorKind::InvalidData => Unread::Wrong(words),
                        _ => Unread::Missing(words),
                    }
                })?;
                (place, text)
            }
            _ => {
                let words = "a secret is either { env = \"NAME\" } or { file = \"/path\" }";
                return Err(Unread::Wrong(words.to_owned()));
            }
        };
        let trimmed = text.trim_end_matches(['\r', '\n']);
        if trimmed.trim().is_empty() {
            return Err(Unread::Missing("the secret is empty".to_owned()));
        }
        if trimmed.contains('\0') {
            let words = format!("{place} contains a NUL byte: it is no text");
            return Err(Unread::Wrong(words));
        }
        if trimmed.contains(['\r', '\n']) && !is_private_key(trimmed) {
            let words =
                format!("{place} has more than one line: a secret is one line, write it alone");
            return Err(Unread::Wrong(words));
        }
        Ok(SecretString::from(trimmed.to_owned()))
    }
}

/// The text of a regular file, without its byte-order mark. Anything else is refused and not waited for.
fn text_of(path: &Path) -> io::Result<String> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)?;
    if !file.metadata()?.is_file() {
        let words = "it is not a regular file";
        return Err(io::Error::new(ErrorKind::InvalidInput, words));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(match text.strip_prefix('\u{FEFF}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// A private key is the one secret of many lines.
fn is_private_key(text: &str) -> bool {
    text.starts_with("PuTTY-User-Key-File-")
        || text.lines().any(|line| line.starts_with("-----BEGIN "))
}

impl SecretRef {
    fn first(&self) -> SecretPlace {
        SecretPlace {
            env: self.env.clone(),
            file: self.file.clone(),
        }
    }

    /// Reads the first value.
    ///
    /// # Errors
    /// Says which variable or file is missing or empty; never what is inside.
    pub fn read(&self) -> Result<SecretString, String> {
        self.first().read()
    }

    /// Reads all values there are now: one, or two while it rotates.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn all(&self) -> Result<Vec<SecretString>, String> {
        Ok(self.open()?.values())
    }

    /// Opens the secret for use.
    ///
    /// # Errors
    /// The first value's, and a second one's that is there and is no secret. One that is not there is none: most of the time
    /// nothing rotates.
    pub fn open(&self) -> Result<Secret, String> {
        let second = self.next.as_ref();
        if second.is_some_and(|next| next.env.is_some() == next.file.is_some()) {
            return Err("next is either { env = \"NAME\" } or { file = \"/path\" }".to_owned());
        }
        let places: Vec<SecretPlace> = std::iter::once(self.first())
            .chain(second.cloned())
            .collect();
        self.read()?;
        if let Some(Err(Unread::Wrong(why))) = second.map(SecretPlace::value) {
            return Err(format!("next: {why}"));
        }
        Ok(Secret::of(places))
    }
}

/// What is read in place of a secret that is missing and need not be there: it is checked for nothing.
pub const PLACEHOLDER: &str = "placeholder";

/// A secret in use: one value, or two while it rotates. Clones are one secret.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

struct Inner {
    places: Vec<SecretPlace>,
    state: Mutex<State>,
}

struct State {
    values: Vec<SecretString>,
    /// The value that was taken last, by its place among `values`.
    good: usize,
    /// Rises with every change of `values`.
    generation: u64,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl From<SecretString> for Secret {
    /// A value that has no place: it is never read again.
    fn from(value: SecretString) -> Self {
        Self(Arc::new(Inner {
            places: Vec::new(),
            state: Mutex::new(State {
                values: vec![value],
                good: 0,
                generation: 0,
            }),
        }))
    }
}

/// Most attempts with a call whose credentials are refused: as they were, as they were read again, and the other value.
const ATTEMPTS: usize = 3;

/// The attempts to log in with the same secrets for one call.
#[derive(Debug)]
pub struct Attempts {
    secrets: Vec<Secret>,
    picks: Vec<Pick>,
    turn: usize,
    made: usize,
}

impl Attempts {
    /// Before the first one.
    #[must_use]
    pub fn with(secrets: Vec<Secret>) -> Self {
        Self {
            secrets,
            picks: Vec::new(),
            turn: 0,
            made: 0,
        }
    }

    /// Begins an attempt; which value of each secret to use: see [`Secret::pick`].
    pub fn begin(&mut self) -> usize {
        self.made += 1;
        let turn = self.turn;
        self.picks = self.secrets.iter().map(|s| s.pick(turn).1).collect();
        turn
    }

    /// We were let in: the values of this attempt are tried first from now on.
    pub fn taken(&self) {
        for (secret, pick) in self.secrets.iter().zip(&self.picks) {
            secret.was_taken(*pick);
        }
    }

    /// The values were refused, which means that nothing was done: whether there is another attempt to make. The places are
    /// read again first.
    pub fn again(&mut self) -> bool {
        if self.made >= ATTEMPTS {
            return false;
        }
        let mut is_new = false;
        for (secret, pick) in self.secrets.iter().zip(&self.picks) {
            is_new |= secret.is_new_since(*pick);
        }
        if is_new {
            self.turn = 0;
            return true;
        }
        self.turn += 1;
        self.turn == 1 && self.secrets.iter().any(Secret::rotates)
    }
}

/// Which values an attempt uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    generation: u64,
    /// The value that was tried first then.
    good: usize,
    /// The value that was picked.
    index: usize,
}

impl Secret {
    fn of(places: Vec<SecretPlace>) -> Self {
        let secret = Self(Arc::new(Inner {
            places,
            state: Mutex::new(State {
                values: Vec::new(),
                good: 0,
                generation: 0,
            }),
        }));
        secret.read_again();
        secret
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value that was taken last.
    #[must_use]
    pub fn value(&self) -> SecretString {
        self.pick(0).0
    }

    /// The value for an attempt, the one that was taken last first; and what [`Self::was_taken`] and [`Self::is_new_since`]
    /// want to know.
    #[must_use]
    pub fn pick(&self, turn: usize) -> (SecretString, Pick) {
        let state = self.state();
        let count = state.values.len().max(1);
        let pick = Pick {
            generation: state.generation,
            good: state.good,
            index: (state.good + turn) % count,
        };
        let value = state.values.get(pick.index).cloned();
        (value.unwrap_or_default(), pick)
    }

    /// Every value, to be taken out of what an external system says.
    #[must_use]
    pub fn values(&self) -> Vec<SecretString> {
        self.state().values.clone()
    }

    /// Whether a value shows that it is another one than is wanted; a [`PLACEHOLDER`] shows nothing.
    #[must_use]
    pub fn any(&self, wrong: impl Fn(&str) -> bool) -> bool {
        let values = self.values();
        let mut values = values.iter().map(|value| value.expose_secret().trim());
        values.any(|value| value != PLACEHOLDER && wrong(value))
    }

    /// True while there are two values.
    #[must_use]
    pub fn rotates(&self) -> bool {
        self.state().values.len() > 1
    }

    /// The external system took this value.
    pub fn was_taken(&self, pick: Pick) {
        let mut state = self.state();
        if state.generation == pick.generation {
            state.good = pick.index;
        }
    }

    /// After this value was refused: reads its places again, and says whether another one is tried first now. Another call may
    /// have found that out meanwhile.
    #[must_use]
    pub fn is_new_since(&self, pick: Pick) -> bool {
        self.read_again();
        let state = self.state();
        (state.generation, state.good) != (pick.generation, pick.good)
    }

    /// Reads the places again; a place that cannot be read now keeps what it had.
    fn read_again(&self) {
        let read: Vec<Option<SecretString>> = self.0.places.iter().map(|p| p.read().ok()).collect();
        let mut state = self.state();
        let mut values: Vec<SecretString> = Vec::new();
        for (n, value) in read.into_iter().enumerate() {
            // A second value that is gone is a rotation that has ended.
            let value = value.or_else(|| state.values.get(n).filter(|_| n == 0).cloned());
            let known = |v: &SecretString| values.iter().any(|w| same(v, w));
            if let Some(value) = value.filter(|v| !known(v)) {
                values.push(value);
            }
        }
        let unchanged = values.len() == state.values.len()
            && values.iter().zip(&state.values).all(|(a, b)| same(a, b));
        if !values.is_empty() && !unchanged {
            state.values = values;
            state.good = 0;
            state.generation += 1;
        }
    }
}

fn same(a: &SecretString, b: &SecretString) -> bool {
    a.expose_secret() == b.expose_secret()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn shown(secret: &Secret) -> Vec<String> {
        let values = secret.values();
        values
            .iter()
            .map(|v| v.expose_secret().to_owned())
            .collect()
    }

    #[test]
    fn a_replaced_file_is_read_again_and_a_second_value_is_tried_until_it_is_gone() {
        let folder = std::env::temp_dir().join(format!("hikiate-secret-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (one, two) = (folder.join("one"), folder.join("two"));
        std::fs::write(&one, "old\n").unwrap();
        std::fs::remove_file(&two).ok();
        let secret = SecretRef {
            file: Some(one.clone()),
            next: Some(SecretPlace {
                file: Some(two.clone()),
                ..SecretPlace::default()
            }),
            ..SecretRef::default()
        };
        let secret = secret.open().unwrap();
        assert_eq!(
            (shown(&secret), secret.rotates()),
            (vec!["old".to_owned()], false)
        );
        let (_, refused) = secret.pick(0);
        assert!(!secret.is_new_since(refused), "nothing has changed");
        std::fs::write(&two, "new").unwrap();
        assert!(secret.is_new_since(refused) && secret.rotates());
        let (value, second) = secret.pick(1);
        assert_eq!(value.expose_secret(), "new");
        secret.was_taken(second);
        assert_eq!(
            secret.value().expose_secret(),
            "new",
            "tried first from now on"
        );
        std::fs::write(&one, "new").unwrap();
        std::fs::remove_file(&two).unwrap();
        let (_, refused) = secret.pick(0);
        assert!(secret.is_new_since(refused));
        assert_eq!(shown(&secret), ["new"]);
        std::fs::remove_file(&one).unwrap();
        let (_, refused) = secret.pick(0);
        assert!(
            !secret.is_new_since(refused),
            "what cannot be read keeps its value"
        );
        assert_eq!(secret.value().expose_secret(), "new");
        assert_eq!(format!("{secret:?}"), "Secret");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    /// A secret with two values.
    fn two(name: &str) -> (Secret, PathBuf) {
        let folder = std::env::temp_dir().join(format!("hikiate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let places = ["old", "new"].map(|value| {
            std::fs::write(folder.join(value), value).unwrap();
            SecretPlace {
                file: Some(folder.join(value)),
                ..SecretPlace::default()
            }
        });
        (Secret::of(places.to_vec()), folder)
    }

    #[test]
    fn two_calls_that_find_the_second_value_at_once_agree_on_it() {
        let (secret, folder) = two("agree");
        let (mut x, mut y) = (
            Attempts::with(vec![secret.clone()]),
            Attempts::with(vec![secret.clone()]),
        );
        for attempts in [&mut x, &mut y] {
            assert_eq!(secret.pick(attempts.begin()).0.expose_secret(), "old");
        }
        for attempts in [&mut x, &mut y] {
            assert!(attempts.again());
            assert_eq!(secret.pick(attempts.begin()).0.expose_secret(), "new");
        }
        x.taken();
        y.taken();
        assert_eq!(secret.value().expose_secret(), "new");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_call_that_is_refused_after_another_found_the_second_value_tries_it_too() {
        let (secret, folder) = two("late");
        let (mut x, mut y) = (
            Attempts::with(vec![secret.clone()]),
            Attempts::with(vec![secret.clone()]),
        );
        x.begin();
        y.begin();
        assert!(y.again());
        y.begin();
        y.taken();
        assert!(x.again());
        assert_eq!(secret.pick(x.begin()).0.expose_secret(), "new");
        // Both are refused: it ends.
        assert!(x.again());
        x.begin();
        assert!(!x.again());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_value_of_another_shape_is_found_and_a_missing_one_has_no_shape() {
        let (secret, folder) = two("shape");
        assert!(secret.any(|value| value == "old") && secret.any(|value| value == "new"));
        assert!(!secret.any(|value| value == "other"));
        let missing = Secret::from(SecretString::from(PLACEHOLDER.to_owned()));
        assert!(!missing.any(|_| true));
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_a_secret() {
        let folder = std::env::temp_dir().join(format!("hikiate-mark-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("secret");
        std::fs::write(&file, "\u{FEFF}sk_1\r\n").unwrap();
        let secret = SecretRef {
            file: Some(file.clone()),
            ..SecretRef::default()
        };
        assert_eq!(secret.read().unwrap().expose_secret(), "sk_1");
        for empty in ["\u{FEFF}", "   \n", "\t", "\u{3000}\r\n", " \n\n "] {
            std::fs::write(&file, empty).unwrap();
            let refused = secret.read().map(drop).unwrap_err();
            assert!(refused.contains("empty"), "{empty:?}: {refused}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_secret_of_two_lines_or_with_a_nul_is_refused_and_a_private_key_is_not() {
        let folder = std::env::temp_dir().join(format!("hikiate-lines-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("secret");
        let secret = SecretRef {
            file: Some(file.clone()),
            ..SecretRef::default()
        };
        for (text, why) in [
            ("geheim\nold\n", "more than one line"),
            ("geheim\rold", "more than one line"),
            ("\ngeheim", "more than one line"),
            ("ge\0heim\n", "NUL"),
        ] {
            std::fs::write(&file, text).unwrap();
            for refused in [secret.read().map(drop), secret.open().map(drop)] {
                let refused = refused.unwrap_err();
                assert!(refused.contains(why), "{text:?}: {refused}");
                assert!(refused.contains("secret file /"), "{refused}");
                assert!(!refused.contains("heim"), "{refused}");
            }
        }
        let rotates = SecretRef {
            env: Some("PATH".to_owned()),
            next: Some(SecretPlace {
                file: Some(file.clone()),
                ..SecretPlace::default()
            }),
            ..SecretRef::default()
        };
        let refused = rotates.open().map(drop).unwrap_err();
        assert!(refused.starts_with("next: the secret file"), "{refused}");
        for key in [
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbg==\n-----END OPENSSH PRIVATE KEY-----\n",
            "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n",
        ] {
            std::fs::write(&file, key).unwrap();
            assert_eq!(secret.read().unwrap().expose_secret(), key.trim_end());
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let folder = std::env::temp_dir().join(format!("hikiate-pipe-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (pipe, link) = (folder.join("pipe"), folder.join("link"));
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRUSR).unwrap();
        let read = |file: &Path| {
            let file = Some(file.to_owned());
            let secret = SecretRef {
                file,
                ..SecretRef::default()
            };
            secret.read()
        };
        for place in [&pipe, &folder] {
            let refused = read(place).map(drop).unwrap_err();
            assert!(refused.contains("not a regular file"), "{refused}");
            assert!(refused.contains(&place.display().to_string()), "{refused}");
        }
        std::fs::write(folder.join("target"), "sk_1\n").unwrap();
        std::os::unix::fs::symlink(folder.join("target"), &link).unwrap();
        assert_eq!(read(&link).unwrap().expose_secret(), "sk_1");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_missing_is_named_and_a_second_value_may_be() {
        let place = |name: &str| SecretRef {
            env: Some(name.to_owned()),
            ..SecretRef::default()
        };
        let missing = place("HIKIATE_NO_SUCH_SECRET").open().unwrap_err();
        assert!(missing.contains("HIKIATE_NO_SUCH_SECRET"), "{missing}");
        let mut both = place("PATH");
        both.next = Some(SecretPlace {
            env: Some("HIKIATE_NO_SUCH_SECRET".to_owned()),
            ..SecretPlace::default()
        });
        assert!(!both.open().unwrap().rotates());
        both.next = Some(SecretPlace::default());
        assert!(both.open().is_err());
    }
}
