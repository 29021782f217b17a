//! Faults put in on purpose. With the feature `broken`, a proof tool switches one on for its thread and
//! must then find something wrong; without the feature, none exists.

/// A fault. Its word is what `--broken` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// An operation that must be looked up before it is sent again is simply sent again.
    LookUpSkipped,
    /// After an unknown outcome, a refusal is taken at its word instead of being looked up.
    RefusalBelieved,
}

impl Broken {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::LookUpSkipped, Self::RefusalBelieved];

    /// Its name on the command line and in the documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LookUpSkipped => "look_up_skipped",
            Self::RefusalBelieved => "refusal_believed",
        }
    }
}

#[cfg(feature = "broken")]
thread_local! {
    static ON: std::cell::Cell<Option<Broken>> = const { std::cell::Cell::new(None) };
}

/// Switches one fault on for this thread, or all off.
#[cfg(feature = "broken")]
pub fn switch(fault: Option<Broken>) {
    ON.set(fault);
}

/// Whether a fault is on in this thread.
#[cfg(feature = "broken")]
#[must_use]
pub fn is(fault: Broken) -> bool {
    ON.get() == Some(fault)
}

/// Never.
#[cfg(not(feature = "broken"))]
#[must_use]
pub const fn is(_: Broken) -> bool {
    false
}
