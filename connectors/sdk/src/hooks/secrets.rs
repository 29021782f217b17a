//! The secrets of a hook: one, and another while it is replaced.

use secrecy::{ExposeSecret as _, SecretString};

use crate::SecretRef;

/// What requests to a hook may be signed with. While a secret is replaced at the external system, both hold.
#[derive(Clone)]
pub struct HookSecrets {
    current: SecretString,
    previous: Option<SecretString>,
}

impl HookSecrets {
    /// One secret, or one and the one before it.
    #[must_use]
    pub fn new(current: SecretString, previous: Option<SecretString>) -> Self {
        Self { current, previous }
    }

    /// Reads them from where the configuration says.
    ///
    /// # Errors
    /// Which of the two (`true`: the one before) cannot be read and why, never what is inside.
    pub fn read(current: &SecretRef, previous: Option<&SecretRef>) -> Result<Self, (bool, String)> {
        Ok(Self {
            current: current.read().map_err(|why| (false, why))?,
            previous: previous
                .map(SecretRef::read)
                .transpose()
                .map_err(|why| (true, why))?,
        })
    }

    /// True when any of them fits. All are tried, so that the time says nothing about which.
    pub(super) fn any(&self, mut fits: impl FnMut(&str) -> bool) -> bool {
        let mut any = false;
        for secret in std::iter::once(&self.current).chain(&self.previous) {
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
