//! Where calls go wrong, and how: by account.

use hikiate_sdk::faulty::{Fault, Target};

use super::far::Far;
use super::terms::CARDS;
use super::warehouse::By;

/// What may befall a call. A duplicated write is left out where the external system has no key against it: nothing on
/// this side could tell, or help.
const READS: &[Fault] = &[
    Fault::LostReply,
    Fault::ErrorBefore,
    Fault::RateLimited,
    Fault::RateLimitedSilently,
    Fault::SlowDown,
    Fault::RateLimitedInOk,
    Fault::Unauthorised,
    Fault::Forbidden,
    Fault::Garbage,
    Fault::Truncated,
    Fault::Duplicate,
];
const WRITES: &[Fault] = &[
    Fault::LostReply,
    Fault::LostReply,
    Fault::NotSent,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::RateLimited,
    Fault::RateLimitedSilently,
    Fault::SlowDown,
    Fault::RateLimitedInOk,
    Fault::Unauthorised,
    Fault::Forbidden,
    Fault::Refused,
    Fault::Truncated,
    Fault::ErrorInOk,
];
/// Of a system that honours a key of ours.
const KEYED_WRITES: &[Fault] = &[
    Fault::LostReply,
    Fault::LostReply,
    Fault::LostReply,
    Fault::NotSent,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::RateLimited,
    Fault::Unauthorised,
    Fault::Forbidden,
    Fault::Refused,
    Fault::Truncated,
    Fault::Duplicate,
    Fault::Duplicate,
];
const FOLDER_WRITES: &[Fault] = &[
    Fault::LostReply,
    Fault::NotSent,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::Unauthorised,
    Fault::Duplicate,
];
const FOLDER_READS: &[Fault] = &[
    Fault::LostReply,
    Fault::Unauthorised,
    Fault::Truncated,
    Fault::Garbage,
];
const MAILS: &[Fault] = &[
    Fault::NotSent,
    Fault::Refused,
    Fault::LostReply,
    Fault::Garbage,
    Fault::Truncated,
];

/// An account, which of its calls, and what may befall them.
pub(super) type Weak = (String, Target, &'static [Fault]);

impl Far {
    /// Each as often as it is worth trying.
    pub(super) fn weak_points(&self) -> Vec<Weak> {
        let mut weak: Vec<Weak> = Vec::new();
        let mut at = |account: &str, reads, writes, times: (usize, usize)| {
            let read = (account.to_owned(), Target::Read, reads);
            let write = (account.to_owned(), Target::Write, writes);
            weak.extend(std::iter::repeat_n(read, times.0));
            weak.extend(std::iter::repeat_n(write, times.1));
        };
        for shop in &self.shops {
            at(shop.account, READS, WRITES, (2, 3));
            if shop.woo.is_some() {
                at(CARDS, READS, KEYED_WRITES, (1, 3));
            }
        }
        for warehouse in &self.warehouses {
            match warehouse.by {
                By::Files { .. } => at(&warehouse.slug, FOLDER_READS, FOLDER_WRITES, (1, 2)),
                By::Openlogi(_) => at(&warehouse.slug, READS, WRITES, (1, 3)),
            }
        }
        at("books", FOLDER_READS, FOLDER_WRITES, (1, 1));
        at("post", MAILS, MAILS, (0, 1));
        weak
    }
}
