//! Whether an account that something is routed to exists and offers what is needed of it.

use std::collections::BTreeMap;

use hikiate_sdk::{
    Ability, AccountSlug, Cancels, Kind, Op, OperationSpec, Operations, Parts, PaymentIds, Unit,
    When,
};

use super::accounts::AccountBuilt;
use super::report::Problems;
use crate::operations::{Role, goes_without, of_role};
use crate::policy::CancelBy;
use crate::suggest;

/// The accounts there are.
pub(super) struct Routes<'a> {
    names: Vec<&'a str>,
    built: BTreeMap<&'a str, &'a AccountBuilt>,
}

/// Whether a warehouse answers what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    /// Its account's answers are read.
    Always,
    /// Only what an operator types after a call.
    OnTelephone,
    /// Taking what it is sent is all that comes of it.
    Never,
}

impl<'a> Routes<'a> {
    /// `names` are all that were written, those that could not be built included.
    pub(super) fn new(names: Vec<&'a str>, built: &'a [AccountBuilt]) -> Self {
        Self {
            names,
            built: built
                .iter()
                .map(|account| (account.slug.as_str(), account))
                .collect(),
        }
    }

    /// Whether an account of that name was written.
    ///
    /// # Errors
    /// The words for an operator.
    pub(super) fn known(&self, name: &str) -> Result<(), String> {
        if self.names.contains(&name) {
            return Ok(());
        }
        if self.names.is_empty() {
            return Err(format!(
                "there is no account {name:?}; add a table [accounts.{name}]"
            ));
        }
        Err(format!(
            "there is no account {name:?}{}",
            suggest::hint(name, &self.names)
        ))
    }

    /// The account, noted as missing where it is not there. One that has problems of its own gets no more.
    pub(super) fn account(
        &self,
        name: &str,
        path: &[&str],
        problems: &mut Problems<'_>,
    ) -> Option<AccountSlug> {
        problems
            .value(path, self.known(name))
            .map(|()| AccountSlug::from(name))
    }

    /// Whether an account answers what its warehouse is sent; `None` where it could not be built.
    pub(super) fn answers(&self, name: &str) -> Option<Answers> {
        let operations = self.built.get(name)?.instance.operations()?;
        let asked = [Op::Instruct, Op::CancelInstruction];
        let mut offered = operations.operations().into_iter();
        if offered.any(|spec| asked.contains(&spec.op) && !spec.completes_on_accept) {
            return Some(Answers::Always);
        }
        let called = operations.by_telephone().contains(&Op::CancelInstruction);
        Some(if called {
            Answers::OnTelephone
        } else {
            Answers::Never
        })
    }

    /// What an account declares of an operation; `None` where it does not offer it or could not be built.
    pub(super) fn offered(&self, name: &str, op: Op) -> Option<OperationSpec> {
        let operations = self.built.get(name)?.instance.operations()?;
        let mut offered = operations.operations().into_iter();
        offered.find(|spec| spec.op == op)
    }

    /// How often an account captures a payment.
    pub(super) fn parts(&self, name: &str) -> Parts {
        let capture = self.offered(name, Op::Capture);
        capture.map_or(Parts::Many, |spec| spec.parts())
    }

    /// Whether a warehouse's account cannot ask for a shipment to be stopped.
    fn never_cancels(&self, name: &str) -> bool {
        let ability = self.offered(name, Op::Instruct).map(|spec| spec.ability);
        matches!(
            ability,
            Some(Ability::Instruct {
                cancel: Cancels::Never,
                ..
            })
        )
    }

    /// What a warehouse's account has to offer.
    pub(super) fn of_warehouse(&self, name: &str) -> Vec<Op> {
        let never = self.never_cancels(name);
        let mut needed = of_role(Role::Warehouse);
        needed.retain(|op| !(never && *op == Op::CancelInstruction));
        needed
    }

    /// Notes a channel that takes its reports otherwise than they are made: one for what left together, each time.
    pub(super) fn reports_departures(&self, name: &str, path: &[&str], p: &mut Problems<'_>) {
        let specs = [Op::Fulfil, Op::Ship].map(|op| self.offered(name, op));
        for spec in specs.into_iter().flatten() {
            let Ability::Notice { unit, when } = spec.ability else {
                continue;
            };
            let how = match (unit, when) {
                (Unit::Departure, When::Each) => continue,
                (_, When::OrderComplete) => "only once everything has shipped",
                (Unit::Label, _) => "label by label",
                (Unit::Line, _) => "line by line",
                (Unit::Order, _) => "once for the whole order",
            };
            let op = spec.op;
            p.at(
                path,
                format!("account {name} takes {op} {how}, but hikiate reports each shipment: set shipping_notice = false and report shipments there manually"),
            );
        }
    }

    /// Most members of a batch of instructions that an account takes.
    pub(super) fn members(&self, name: &str) -> u32 {
        let instruct = self.offered(name, Op::Instruct);
        instruct.map_or(OperationSpec::ANY, |spec| spec.members.max(1))
    }

    /// How an account's warehouse is asked to stop a shipment.
    pub(super) fn cancel(&self, name: &str) -> CancelBy {
        let operations = self
            .built
            .get(name)
            .and_then(|account| account.instance.operations());
        match operations {
            Some(operations) if operations.by_telephone().contains(&Op::CancelInstruction) => {
                CancelBy::Phone
            }
            _ if self.never_cancels(name) => CancelBy::Phone,
            _ => CancelBy::Call,
        }
    }

    /// Notes every operation the account lacks.
    pub(super) fn needs(
        &self,
        name: &str,
        ops: &[Op],
        why: &str,
        path: &[&str],
        problems: &mut Problems<'_>,
    ) {
        let Some(account) = self.built.get(name) else {
            return;
        };
        let offered: Vec<Op> = account
            .instance
            .operations()
            .map(|o| {
                let calls = o.operations().into_iter().map(|spec| spec.op);
                calls.chain(o.by_telephone()).collect()
            })
            .unwrap_or_default();
        let lacking: Vec<&str> = ops
            .iter()
            .filter(|op| !offered.contains(op) && !goes_without(**op, |op| offered.contains(&op)))
            .map(|op| op.as_str())
            .collect();
        if !lacking.is_empty() {
            let offers = if offered.is_empty() {
                "nothing".to_owned()
            } else {
                offered
                    .iter()
                    .map(|op| op.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            problems.at(
                path,
                format!(
                    "{why} needs {}, which account {name} ({}) does not offer; it offers {offers}",
                    lacking.join(" and "),
                    account.connector
                ),
            );
        }
    }

    /// Notes an account that would be asked to capture payments that it cannot know: it is neither the channel's own nor lists
    /// payments.
    pub(super) fn knows_payments(
        &self,
        name: &str,
        channel: &str,
        path: &[&str],
        problems: &mut Problems<'_>,
    ) {
        let captures = self.offered(name, Op::Capture).is_some();
        if captures && name != channel && !self.reads(name, Kind::Payment) {
            problems.at(
                path,
                format!("account {name} does not know the payments of {channel}: it is not the account of that channel and lists no payments, so it would reject each capture; write {channel:?}, or an account of the payment provider"),
            );
        }
    }

    /// What can be done to an account; `None` where it could not be built.
    pub(super) fn operations(&self, name: &str) -> Option<&dyn Operations> {
        self.built.get(name)?.instance.operations()
    }

    /// Whether an account reports stock of the codes alone that it is asked for.
    pub(super) fn reports_stock_by_code(&self, name: &str) -> bool {
        let account = self.built.get(name);
        account.is_some_and(|account| account.reports_stock_by_code())
    }

    /// Whether an account has a stream of some kind.
    pub(super) fn reads(&self, name: &str, kind: Kind) -> bool {
        let account = self.built.get(name);
        let source = account.and_then(|account| account.instance.source());
        source.is_some_and(|source| source.streams().iter().any(|spec| spec.kind == kind))
    }

    /// By which ids an account reports payments.
    pub(super) fn payment_ids(&self, name: &str) -> Option<PaymentIds> {
        self.built.get(name)?.instance.source()?.payment_ids()
    }

    /// Notes every stream the account lacks.
    pub(super) fn needs_streams(
        &self,
        name: &str,
        kinds: &[Kind],
        why: &str,
        path: &[&str],
        problems: &mut Problems<'_>,
    ) {
        let Some(account) = self.built.get(name) else {
            return;
        };
        let offered: Vec<Kind> = account
            .instance
            .source()
            .map(|s| s.streams().iter().map(|spec| spec.kind).collect())
            .unwrap_or_default();
        for kind in kinds.iter().filter(|kind| !offered.contains(kind)) {
            problems.at(
                path,
                format!(
                    "{why} needs a stream of {}, which account {name} ({}) does not have",
                    kind.plural(),
                    account.connector
                ),
            );
        }
    }
}
