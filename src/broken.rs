//! Faults put in on purpose. With the feature `broken`, a proof tool switches one on for its thread and
//! must then find something wrong; without the feature, none exists.

/// A fault. Its word is what `--broken` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// An operation that must be looked up before it is sent again is simply sent again.
    LookUpSkipped,
    /// After an unknown outcome, a refusal is taken at its word instead of being looked up.
    RefusalBelieved,
    /// An older reading replaces a newer one.
    OlderReading,
    /// A cancelled order keeps what is reserved for it.
    ReservationKept,
    /// What is reserved for goods that have left counts for the next shipment too.
    StockSentTwice,
    /// The total is captured with the first goods, not what is due for them.
    CaptureOrdered,
    /// A key counts up with every plan that is made, not with the tries that ended.
    KeyFromSequence,
    /// Stock goes to whoever came last.
    RankIgnored,
    /// The channel is told of a cancel while the outcome of an instruction is unknown.
    CancelInTheDark,
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
}

impl Broken {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::LookUpSkipped,
        Self::RefusalBelieved,
        Self::OlderReading,
        Self::ReservationKept,
        Self::StockSentTwice,
        Self::CaptureOrdered,
        Self::KeyFromSequence,
        Self::RankIgnored,
        Self::CancelInTheDark,
        Self::CursorBeforeCommit,
        Self::AcknowledgedBeforeCommit,
        Self::SendingNotMarked,
        Self::SendingForgotten,
        Self::LostReplyIgnored,
        Self::ParcelCountedTwice,
    ];

    /// Its name on the command line and in the documents.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LookUpSkipped => "look_up_skipped",
            Self::RefusalBelieved => "refusal_believed",
            Self::OlderReading => "older_reading",
            Self::ReservationKept => "reservation_kept",
            Self::StockSentTwice => "stock_sent_twice",
            Self::CaptureOrdered => "capture_ordered",
            Self::KeyFromSequence => "key_from_sequence",
            Self::RankIgnored => "rank_ignored",
            Self::CancelInTheDark => "cancel_in_the_dark",
            Self::CursorBeforeCommit => "cursor_before_commit",
            Self::AcknowledgedBeforeCommit => "acknowledged_before_commit",
            Self::SendingNotMarked => "sending_not_marked",
            Self::SendingForgotten => "sending_forgotten",
            Self::LostReplyIgnored => "lost_reply_ignored",
            Self::ParcelCountedTwice => "parcel_counted_twice",
        }
    }
}

#[cfg(feature = "broken")]
thread_local! {
    static ON: std::cell::Cell<Option<Broken>> = const { std::cell::Cell::new(None) };
    static SEQUENCE: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
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

/// What [`Broken::KeyFromSequence`] adds to a number that makes a key.
#[cfg(feature = "broken")]
#[must_use]
pub fn sequence() -> u32 {
    if !is(Broken::KeyFromSequence) {
        return 0;
    }
    SEQUENCE.set(SEQUENCE.get().wrapping_add(1) % 1_000_000);
    SEQUENCE.get()
}

/// Nothing.
#[cfg(not(feature = "broken"))]
#[must_use]
pub const fn sequence() -> u32 {
    0
}
