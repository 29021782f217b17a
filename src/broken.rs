//! Faults put in on purpose. With the feature `broken`, a proof tool switches one on for its thread and
//! must then find something wrong; without the feature, none exists.

/// A fault. Its word is what `--broken` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// An operation that must be looked up before it is sent again is simply sent again.
    LookUpSkipped,
    /// After an unknown outcome, a refusal is taken at its word instead of being looked up.
    RefusalBelieved,
    /// The cursor moves on before the page is committed.
    CursorBeforeCommit,
    /// A page that its source consumes is acknowledged before it is committed.
    AcknowledgedBeforeCommit,
    /// What is about to be sent is not marked as sending before the call.
    SendingNotMarked,
    /// What was being sent when a process died is handed back as if it had never left.
    SendingForgotten,
    /// A lost reply is taken for a call that never left.
    LostReplyIgnored,
    /// The same parcel in another file is another parcel.
    ParcelCountedTwice,
    /// A reservation that is no longer wanted is kept.
    ReservationKept,
    /// A cancel goes to the channel while a warehouse is being instructed.
    CancelInHaste,
}

impl Broken {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::LookUpSkipped,
        Self::RefusalBelieved,
        Self::CursorBeforeCommit,
        Self::AcknowledgedBeforeCommit,
        Self::SendingNotMarked,
        Self::SendingForgotten,
        Self::LostReplyIgnored,
        Self::ParcelCountedTwice,
        Self::ReservationKept,
        Self::CancelInHaste,
    ];

    /// Its name on the command line and in the documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LookUpSkipped => "look_up_skipped",
            Self::RefusalBelieved => "refusal_believed",
            Self::CursorBeforeCommit => "cursor_before_commit",
            Self::AcknowledgedBeforeCommit => "acknowledged_before_commit",
            Self::SendingNotMarked => "sending_not_marked",
            Self::SendingForgotten => "sending_forgotten",
            Self::LostReplyIgnored => "lost_reply_ignored",
            Self::ParcelCountedTwice => "parcel_counted_twice",
            Self::ReservationKept => "reservation_kept",
            Self::CancelInHaste => "cancel_in_haste",
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
