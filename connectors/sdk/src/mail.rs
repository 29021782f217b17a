//! A rendered mail.

use serde::{Deserialize, Serialize};

/// One message, ready to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailMessage {
    /// Derived from the business key, without angle brackets and host; the same for every try.
    pub message_id: String,
    /// To whom.
    pub to: String,
    /// Subject line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

impl std::fmt::Debug for MailMessage {
    /// Never shows to whom it goes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailMessage")
            .field("message_id", &self.message_id)
            .finish_non_exhaustive()
    }
}
