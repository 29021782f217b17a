//! What a connector gives the suite.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::calls::sample_call;
use super::hooks::{HookCase, SentHook};
use super::specification::Specification;
use crate::faulty::FaultSeam;
use crate::{Call, Connector, Link, Op, ShipmentReference};

/// A connector under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// Its name on the card.
    fn name(&self) -> String;

    /// Checks that do not apply, each with its reason. A waiver that names no check fails the suite.
    fn waivers(&self) -> Vec<Waiver>;

    /// The public document that the external system's wire is checked against, where there is one, and what went over it.
    fn specification(&self) -> Option<Specification>;

    /// A new account on a new and empty external system with a fault seam between; asked for once a check.
    async fn fresh(&self) -> Bench;

    /// The same with pages of the account's default size: the suite's are small, and a measurement would count calls that no
    /// account makes. The default is for accounts whose pages have no size.
    async fn fresh_full_pages(&self) -> Bench {
        self.fresh().await
    }
}

/// One account on its external system.
pub struct Bench {
    /// The account under test.
    pub connector: Arc<dyn Connector>,
    /// What stands behind it.
    pub far: Arc<dyn TestSystem>,
    /// Where faults are put.
    pub seam: Arc<dyn FaultSeam>,
    /// What the account was built with: its meter is watched.
    pub link: Link,
}

/// The external system as the suite prepares and asks it, past the connector.
#[async_trait]
pub trait TestSystem: Send + Sync {
    /// How many records fit a page of a stream as the account is configured; small is quick.
    fn page_size(&self, stream: &str) -> usize;

    /// Makes this many records of a stream and tells their [`super::identity`], in the external system's order.
    async fn seed(&self, stream: &str, count: usize, times: Times) -> Vec<String>;

    /// The codes that hikiate has for a stream that is asked by code: those of every record that was made. The suite sorts them.
    async fn codes(&self, _stream: &str) -> Vec<String> {
        Vec::new()
    }

    /// Makes one record of a stream that cannot be understood.
    async fn seed_bad(&self, stream: &str);

    /// Makes a record whose lists inside are longer than any page and limit of the external system, and tells each
    /// identity to be heard with its number of parts ([`super::parts`]).
    async fn seed_long(&self, stream: &str) -> BTreeMap<String, usize>;

    /// Makes one record for each field a record cannot do without, lacking it, as a page with partial fields has
    /// them; tells how many.
    async fn seed_partial(&self, stream: &str) -> usize;

    /// Makes an order that the account's configuration leaves out of its streams, and tells its identity; `None` where the
    /// configuration can leave out none.
    async fn seed_excluded(&self, _stream: &str) -> Option<String> {
        None
    }

    /// Makes a record that happened at an instant, in whatever zone the external system writes, and tells its identity;
    /// `None` when the external system cannot write that instant.
    async fn seed_at(&self, stream: &str, at: DateTime<Utc>) -> Option<String>;

    /// Tells a known record a second time, unchanged.
    async fn tell_again(&self, stream: &str, identity: &str);

    /// A call of three members that can be carried out, for operations that take several at once.
    async fn batch(&self, op: Op) -> Call;

    /// Answers a batch that was sent: this member is refused, the others are taken. Tells the stream that the
    /// answers come in.
    async fn answer_batch(&self, call: &Call, refused: &ShipmentReference) -> String;

    /// Makes what an operation needs at the external system (an order to ship) and tells the call to make.
    async fn call(&self, op: Op) -> Call;

    /// A call that the external system refuses for what it says, for operations of which several go in one request: the others
    /// of the request are carried out. The default names what no external system has.
    async fn refused(&self, op: Op) -> Call {
        sample_call(op)
    }

    /// How many requests that change something a call of an operation takes, one after the other. It is done once the last of them
    /// is; until then a look-up must not find it, and what was carried out of it is not repeated.
    fn writes(&self, _op: Op) -> usize {
        1
    }

    /// How often the external system has carried out this call, whole, by its reference.
    async fn times_done(&self, op: Op, call: &Call) -> usize;

    /// Staff of the external system refund, or record, by hand what a call asks for: the same amount of the same payment.
    /// False where the call is of another kind.
    async fn by_staff(&self, _call: &Call) -> bool {
        false
    }

    /// What it sends to a hook of the account; `None` where it has no such hook or cannot send that.
    async fn hook(&self, _hook: &str, _case: HookCase) -> Option<SentHook> {
        None
    }

    /// Secrets and personal texts that went into the account, its records and calls. They must not be seen in
    /// errors, labels and `Debug`.
    fn planted(&self) -> Vec<String>;

    /// `Debug` of the connector's own types that hold any of them.
    fn debug_texts(&self) -> Vec<String>;
}

/// The external system's times of change of seeded records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// Each later than the one before.
    Rising,
    /// All the same.
    Equal,
    /// Before all that was told so far, as far back as the account still looks: committed late, seen late.
    Late,
}

/// A check that does not apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiver {
    /// The check's name, for example `garbage/mail`.
    pub check: String,
    /// Why, for whoever reads the card.
    pub reason: String,
}

impl Waiver {
    /// A waiver with its reason.
    pub fn new(check: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            check: check.into(),
            reason: reason.into(),
        }
    }
}
