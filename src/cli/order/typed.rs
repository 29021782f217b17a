//! Commands on orders and shipments that store what the planner says they mean. All are judged before anything is
//! written, and nothing is written if one has heard of something meanwhile: then all are judged again.

use std::collections::BTreeMap;

use hikiate_sdk::CancelVerdict;
use serde::Serialize;

use crate::cli::args::{Decide, OnShipments, RefundArgs, ShippedArgs};
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::facts::FactBody;
use crate::plan::command::{
    Now, RefundOf, Shipped, Wish, WishedFact, end, recall, recalled, refund, shipped, tell, void,
};
use crate::store::{StoreError, Typed};

/// How often orders that hear of something meanwhile are judged anew.
pub(super) const TRIES: usize = 5;

/// An order, or one of its shipments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    id: i64,
    number: String,
    reference: Option<String>,
}

/// What became of one.
#[derive(Serialize)]
pub(super) struct Reply {
    pub(super) number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reference: Option<String>,
    pub(super) dry_run: bool,
    pub(super) does: Vec<String>,
    pub(super) stays: Vec<String>,
}

impl Reply {
    pub(super) fn words(&self) -> String {
        let name = self.reference.as_ref().unwrap_or(&self.number);
        let mut text = format!("{name}:\n");
        let verb = if self.dry_run { "would: " } else { "" };
        for line in &self.does {
            text.push_str(&format!("  {verb}{line}\n"));
        }
        for line in &self.stays {
            text.push_str(&format!("  stays: {line}\n"));
        }
        if self.dry_run {
            text.push_str("  nothing was changed\n");
        }
        text
    }
}

impl Subject {
    /// The shipment's order, by its reference.
    pub(crate) async fn of_shipment(session: &Session, name: &str) -> Result<Self, Failure> {
        if let Some((id, number, reference)) = session.store.shipment_order(name).await? {
            return Ok(Self {
                id,
                number,
                reference: Some(reference),
            });
        }
        let reference = name.to_ascii_uppercase();
        let unknown = || {
            Failure::NotFound(format!(
                "no shipment {name:?}: enter its reference, HK…-S1, as `hikiate order explain` shows it"
            ))
        };
        let (number, _) = reference.rsplit_once("-S").ok_or_else(unknown)?;
        match session.store.find_subject(number).await {
            Ok((id, number)) => Ok(Self {
                id,
                number,
                reference: Some(reference),
            }),
            Err(StoreError::NotFound(_)) => Err(unknown()),
            Err(error) => Err(error.into()),
        }
    }

    async fn of_order(session: &Session, name: &str) -> Result<Self, Failure> {
        let (id, number) = session.store.find_subject(name).await?;
        Ok(Self {
            id,
            number,
            reference: None,
        })
    }

    /// The shipment's reference; the order's number where none was given.
    pub(crate) fn reference(&self) -> &str {
        self.reference.as_deref().unwrap_or(&self.number)
    }
}

async fn shipments(session: &Session, on: &OnShipments) -> Result<Vec<Subject>, Failure> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for name in &on.references {
        match Subject::of_shipment(session, name).await {
            Ok(subject) if found.contains(&subject) => {}
            Ok(subject) => found.push(subject),
            Err(Failure::NotFound(text)) => missing.push(text),
            Err(error) => return Err(error),
        }
    }
    if missing.is_empty() {
        Ok(found)
    } else {
        Err(Failure::NotFound(super::decide::nothing_done(&missing)))
    }
}

/// `order recall`
pub(super) async fn recall_them(
    session: &Session,
    on: OnShipments,
    dry: bool,
) -> Result<(), Failure> {
    let subjects = shipments(session, &on).await?;
    write(session, &subjects, dry, |now, subject| {
        recall(now, subject.reference(), &on.reason)
    })
    .await
}

/// `order recalled`
pub(super) async fn recalled_them(
    session: &Session,
    on: OnShipments,
    verdict: CancelVerdict,
) -> Result<(), Failure> {
    let subjects = shipments(session, &on).await?;
    write(session, &subjects, false, |now, subject| {
        recalled(now, subject.reference(), verdict, &on.reason)
    })
    .await
}

/// `order tell`
pub(super) async fn tell_them(session: &Session, on: OnShipments) -> Result<(), Failure> {
    let subjects = shipments(session, &on).await?;
    write(session, &subjects, false, |now, subject| {
        tell(now, subject.reference(), &on.reason)
    })
    .await
}

/// `order end`
pub(super) async fn end_them(session: &Session, on: Decide, dry: bool) -> Result<(), Failure> {
    let subjects: Vec<Subject> = super::decide::subjects(session, &on.orders)
        .await?
        .into_iter()
        .map(|(id, row)| Subject {
            id,
            number: row.row.number,
            reference: None,
        })
        .collect();
    write(session, &subjects, dry, |now, _| end(now, &on.reason)).await
}

/// `order refund`
pub(super) async fn refund_it(session: &Session, args: RefundArgs) -> Result<(), Failure> {
    let subject = Subject::of_order(session, &args.order).await?;
    let of = match &args.amount {
        _ if args.all => RefundOf::All,
        Some(amount) => RefundOf::Amount(amount),
        None => RefundOf::Lines(&args.line),
    };
    write(session, &[subject], args.dry_run, |now, _| {
        refund(now, of, args.id.as_deref(), &args.reason)
    })
    .await
}

/// `order void`
pub(super) async fn void_it(
    session: &Session,
    order: &str,
    reason: &str,
    dry: bool,
) -> Result<(), Failure> {
    let subject = Subject::of_order(session, order).await?;
    write(session, &[subject], dry, |now, _| void(now, reason)).await
}

/// A command on one order that needs no more than what planning knows of it.
pub(super) async fn on_one(
    session: &Session,
    order: &str,
    wish: impl Fn(Now<'_>) -> Result<Wish, String>,
) -> Result<(), Failure> {
    let subject = Subject::of_order(session, order).await?;
    write(session, &[subject], false, |now, _| wish(now)).await
}

/// `order shipped`
pub(super) async fn shipped_it(session: &Session, args: ShippedArgs) -> Result<(), Failure> {
    let named = session.store.shipment_order(&args.what).await?.is_some();
    let like_one = !args.what.contains('/') && args.what.to_ascii_uppercase().contains("-S");
    let subject = if named || like_one {
        Subject::of_shipment(session, &args.what).await?
    } else {
        Subject::of_order(session, &args.what).await?
    };
    if let Some(from) = &args.from {
        let warehouses = &session.loaded.policy.warehouses;
        if !warehouses.iter().any(|warehouse| warehouse.name == *from) {
            let known: Vec<&str> = warehouses.iter().map(|w| w.name.as_str()).collect();
            return Err(Failure::NotFound(format!(
                "there is no warehouse {from:?}; warehouses: {}; nothing was done",
                known.join(", ")
            )));
        }
    }
    of_no_other_order(session, &subject, &args.tracking, args.same_box).await?;
    write(session, &[subject], args.dry_run, |now, subject| {
        let what = Shipped {
            reference: subject.reference.as_deref(),
            tracking: &args.tracking,
            carrier: args.carrier.as_deref(),
            from: args.from.as_deref(),
            shipped_at: args.shipped_at,
            lines: &args.lines,
            reason: &args.reason,
        };
        shipped(now, what)
    })
    .await
}

/// Refuses a number that is a parcel of another order, unless both are said to be in one box.
pub(crate) async fn of_no_other_order(
    session: &Session,
    subject: &Subject,
    tracking: &str,
    same_box: bool,
) -> Result<(), Failure> {
    let others = session
        .store
        .orders_with_parcel(tracking, subject.id)
        .await?;
    if others.is_empty() || same_box {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "tracking number {tracking} is already a parcel of {}: enter this order's number, or add --same-box if both are in one box; nothing was done",
        others.join(", ")
    )))
}

/// Judges all, stores all or none, and says what comes of it.
pub(crate) async fn write(
    session: &Session,
    subjects: &[Subject],
    dry: bool,
    judge: impl Fn(Now<'_>, &Subject) -> Result<Wish, String>,
) -> Result<(), Failure> {
    let ids: Vec<i64> = subjects.iter().map(|subject| subject.id).collect();
    let today = session.today().await?;
    let directory = session.store.directory().await?;
    let mut tries = 0;
    let wishes = loop {
        let (inputs, now) = session.inputs(&ids).await?;
        let mut wishes = Vec::new();
        let mut refused = Vec::new();
        for subject in subjects {
            let Some(input) = inputs.get(&subject.id) else {
                refused.push(format!("{} is not an order", subject.number));
                continue;
            };
            let on = Now {
                input,
                policy: &session.loaded.policy,
                rules: &session.loaded.rules,
                now,
            };
            match judge(on, subject) {
                Ok(mut wish) => {
                    if wish.facts.iter().any(moves_money) {
                        let elsewhere = session.elsewhere(subject.id).await?;
                        let policy = &session.loaded.policy;
                        let waits = elsewhere.keeps_back(&wish, input, policy);
                        wish.does.extend(waits);
                    }
                    wishes.push((subject, input.facts.last().map(|fact| fact.id), wish));
                }
                Err(why) => refused.push(why),
            }
        }
        if !refused.is_empty() {
            return Err(Failure::Refused(super::decide::nothing_done(&refused)));
        }
        if dry {
            break wishes;
        }
        let typed: Vec<Typed> = together(&wishes);
        let store = || {
            session
                .store
                .type_all(&typed, Some(&directory), &session.actor, today)
        };
        match session.store.retried("type_all", store).await {
            Ok(()) => break wishes,
            Err(StoreError::Replan) if tries < TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    };
    let told: Vec<Reply> = wishes
        .into_iter()
        .map(|(subject, _, wish)| Reply {
            number: subject.number.clone(),
            reference: subject.reference.clone(),
            dry_run: dry,
            does: wish.does,
            stays: wish.stays,
        })
        .collect();
    session
        .out
        .one(&told, || told.iter().map(Reply::words).collect())
}

/// Whether accounts refund or void because of it, and it is told which of them are paused.
fn moves_money(wished: &WishedFact) -> bool {
    matches!(
        wished.body,
        FactBody::RefundWanted(_) | FactBody::VoidWanted(_)
    )
}

/// One entry an order, also where several of its shipments were named.
fn together(wishes: &[(&Subject, Option<i64>, Wish)]) -> Vec<Typed> {
    let mut all: BTreeMap<i64, Typed> = BTreeMap::new();
    for (subject, seen, wish) in wishes {
        let typed = all.entry(subject.id).or_insert_with(|| Typed {
            subject_id: subject.id,
            seen: *seen,
            wish: Wish::default(),
            named: None,
        });
        typed.wish.facts.extend(wish.facts.iter().cloned());
        typed.wish.shipment = typed.wish.shipment.take().or_else(|| wish.shipment.clone());
    }
    all.into_values().collect()
}
