//! What the registry knows of a connector, and what an account of one offers.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::budget::Budget;
use crate::hooks::Hooks;
use crate::{AccountSlug, Link, Operations, Source};

/// A kind of external system, as the registry lists it.
pub trait ConnectorKind: Send + Sync {
    /// The word of `connector = "…"`.
    fn name(&self) -> &'static str;

    /// One line for an operator.
    fn title(&self) -> &'static str;

    /// The JSON schema of an account's keys, for `hikiate check` and the key reference.
    fn schema(&self) -> schemars::Schema;

    /// Builds an account. Reads secrets and layout files, opens no connection.
    ///
    /// # Errors
    /// Every problem found, not only the first.
    fn build(&self, account: &AccountConfig<'_>) -> Result<Arc<dyn Connector>, Vec<Problem>>;

    /// What the conformance suite checks of this kind: accounts on external systems of their own. A connector that
    /// names none fails the suite's loop over the registry.
    #[cfg(feature = "sim")]
    fn subjects(&self) -> Vec<Box<dyn crate::conformance::Subject>> {
        Vec::new()
    }
}

/// What an account is built from.
#[derive(Clone, Copy, Debug)]
pub struct AccountConfig<'a> {
    /// The account's name.
    pub slug: &'a AccountSlug,
    /// The account's table without `connector`, as JSON.
    pub settings: &'a Value,
    /// Relative paths start at the configuration file's folder.
    pub base_dir: &'a Path,
    /// The shop's time zone, for external systems that write local times.
    pub timezone: &'a str,
    /// What the engine lends it: HTTP clients, the time, the budget of its calls, its secrets.
    pub link: &'a Link,
}

/// One thing wrong with an account's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Key below the account's table, dotted; empty for the table itself.
    pub key: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// A problem at a key.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }
}

/// A configured account of a connector.
pub trait Connector: Send + Sync {
    /// What can be pulled from it.
    fn source(&self) -> Option<&dyn Source>;

    /// What can be done to it.
    fn operations(&self) -> Option<&dyn Operations>;

    /// Its webhooks; `None` where it has none.
    fn hooks(&self) -> Option<&dyn Hooks> {
        None
    }

    /// What the external system allows in calls. Every call takes a turn at the account's meter ([`Link::meter`]): HTTP clients do so
    /// by themselves, other connectors once for each visit.
    fn budgets(&self) -> Vec<Budget>;

    /// What it takes away as it reads, each by one name for all accounts that reach it: of two accounts that name the same, each would
    /// get a part. Empty where reading takes nothing away.
    fn takes(&self) -> Vec<String> {
        Vec::new()
    }

    /// Where it leaves files for others, each by one name for all accounts that reach it: who reads what one account leaves there
    /// would get what another one leaves, too. Empty where it leaves none.
    fn leaves(&self) -> Vec<String> {
        Vec::new()
    }

    /// Where copies of names and addresses stay outside the database, and for how long, a sentence each, for `hikiate check` and
    /// `hikiate personal erase`.
    fn keeps(&self) -> Vec<String> {
        Vec::new()
    }
}
