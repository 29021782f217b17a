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
/// Of a system that is asked whether a call happened, and whose connector declares a time in which it shows it (`settle`). Stripe and
/// folders know a call by its key or its name, without such a time; nobody looks a mail up.
const LATE: &[Fault] = &[Fault::ShownLate, Fault::LostAndLate, Fault::LostAndLate];
/// Of a shop, whose plug-ins may swallow any call, once or a few in a row. Its connectors find each: the answer shows the order as it
/// was, or nothing of what was to be made, so the call is looked up, made again, and in the end an operator's (a capture at Medusa at
/// once, where such an answer is a conflict). A note of holds is shown again by itself. Of a shop that is told by notes the judge asks for
/// the mark in the metadata, as hikiate does when it reads the order.
///
/// Left out is what no program could notice, and what is then believed by protocol: a shop that answers as if it had acted (the
/// mutants `capture_pretended`, `refund_pretended` and `record_pretended` play it), OPENLOGI's ids of shipments that it did not create
/// or delete, a mail server that takes a mail and drops it, a folder that loses a file.
const SWALLOWED: &[Fault] = &[Fault::Swallowed];
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
            at(shop.account, READS, LATE, (0, 1));
            at(shop.account, READS, SWALLOWED, (0, 1));
            if shop.woo.is_some() {
                at(CARDS, READS, KEYED_WRITES, (1, 3));
            }
        }
        for warehouse in &self.warehouses {
            match warehouse.by {
                By::Files { .. } => at(&warehouse.slug, FOLDER_READS, FOLDER_WRITES, (1, 2)),
                By::Openlogi(_) => {
                    at(&warehouse.slug, READS, WRITES, (1, 3));
                    at(&warehouse.slug, READS, LATE, (0, 1));
                }
            }
        }
        at("books", FOLDER_READS, FOLDER_WRITES, (1, 1));
        at("post", MAILS, MAILS, (0, 1));
        weak
    }
}
