//! The secrets of a hook: one, and others while it is replaced.

use secrecy::{ExposeSecret as _, SecretString};

use crate::{Problem, SecretRef};

/// The account's key of the secret that hooks are signed with.
pub const HOOK_SECRET: &str = "hook_secret";
/// The account's key of the secret before it.
pub const HOOK_SECRET_PREVIOUS: &str = "hook_secret_previous";

/// What requests to a hook may be signed with. While a secret is replaced at the external system, all of them hold.
#[derive(Clone)]
pub struct HookSecrets(Vec<SecretString>);

impl HookSecrets {
    /// One secret, or one and the one before it.
    #[must_use]
    pub fn new(current: SecretString, previous: Option<SecretString>) -> Self {
        Self(std::iter::once(current).chain(previous).collect())
    }

    /// Reads them from where the configuration says, a second place of each ([`SecretRef::next`]) too.
    ///
    /// # Errors
    /// Which of the keys [`HOOK_SECRET`] and [`HOOK_SECRET_PREVIOUS`] cannot be read and why, never what is inside.
    pub fn read(current: &SecretRef, previous: Option<&SecretRef>) -> Result<Self, Problem> {
        let all = |key, place: &SecretRef| place.all().map_err(|why| Problem::new(key, why));
        let mut secrets = all(HOOK_SECRET, current)?;
        if let Some(previous) = previous {
            secrets.extend(all(HOOK_SECRET_PREVIOUS, previous)?);
        }
        Ok(Self(secrets))
    }

    /// True when any of them fits. All are tried, so that the time says nothing about which.
    pub(super) fn any(&self, mut fits: impl FnMut(&str) -> bool) -> bool {
        let mut any = false;
        for secret in &self.0 {
            any |= fits(secret.expose_secret());
        }
        any
    }
}

impl std::fmt::Debug for HookSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookSecrets").finish_non_exhaustive()
    }
}
