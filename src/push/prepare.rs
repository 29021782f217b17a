//! From an intent to the call that is prepared.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hikiate_sdk::{Call, Error, ErrorClass, MailMessage, Operations, Prepared};
use minijinja::{Environment, context};

use crate::config::MailTemplates;
use crate::facts::{IntentFact, IntentWhat};
use crate::policy::{MailKind, Policy};
use crate::store::ClaimedEffect;

/// The bytes of an effect: frozen ones as they are, else prepared now by the connector's pure function. A panic is this effect's
/// alone: the others that were claimed with it go on.
///
/// # Errors
/// `Rejected` when the call cannot be expressed; `Config` for a template that cannot be rendered, and for a panic.
pub fn prepare(
    effect: &ClaimedEffect,
    operations: &dyn Operations,
    policy: &Policy,
    templates: &MailTemplates,
) -> Result<Prepared, Error> {
    let prepared = || prepare_one(effect, operations, policy, templates);
    catch_unwind(AssertUnwindSafe(prepared)).unwrap_or_else(|_| {
        // What the panic says may quote data.
        let why = format!(
            "preparing {} panicked, which is a fault of this program: nothing was sent. Report it with the order's number",
            effect.op
        );
        Err(Error::new(ErrorClass::Config, why).with_code("panicked"))
    })
}

fn prepare_one(
    effect: &ClaimedEffect,
    operations: &dyn Operations,
    policy: &Policy,
    templates: &MailTemplates,
) -> Result<Prepared, Error> {
    if let Some((bytes, label)) = &effect.frozen {
        return Ok(Prepared {
            bytes: bytes.clone(),
            label: label.clone(),
        });
    }
    match &effect.intent {
        IntentFact {
            what: IntentWhat::Call { call, .. },
            ..
        } => operations.prepare(call),
        IntentFact {
            what: IntentWhat::Mail { kind },
            ..
        } => operations.prepare(&Call::Mail(mail(effect, *kind, policy, templates)?)),
        IntentFact {
            what: IntentWhat::Member { .. } | IntentWhat::Batch { .. },
            ..
        } => Err(Error::new(
            ErrorClass::Config,
            format!(
                "{} has no sealed bytes: a batch is sent only once it is sealed",
                effect.key
            ),
        )),
    }
}

fn mail(
    effect: &ClaimedEffect,
    kind: MailKind,
    policy: &Policy,
    templates: &MailTemplates,
) -> Result<MailMessage, Error> {
    let missing = |what: &str| {
        Error::new(
            ErrorClass::Rejected,
            format!("mail {} for {}: {what}", kind.as_str(), effect.number),
        )
        .with_code("no_recipient")
    };
    let personal = effect
        .personal
        .as_ref()
        .ok_or_else(|| missing("the personal data was purged or never reported"))?;
    let order = effect
        .order
        .as_ref()
        .ok_or_else(|| missing("the order was never fetched"))?;
    if personal.buyer.email.trim().is_empty() {
        return Err(missing("the buyer has no mail address"));
    }
    let template = match kind {
        MailKind::Shipped => &templates.shipped,
    };
    let lines: Vec<_> = order
        .order
        .lines
        .iter()
        .filter(|l| l.quantity > 0)
        .map(|l| context! { title => &l.title, quantity => l.quantity })
        .collect();
    let parcels: Vec<_> = effect
        .parcels
        .iter()
        // Each label of a parcel has a number of its own.
        .flat_map(|p| {
            let further = p.also.iter().map(Some);
            let labels = std::iter::once(p.tracking.as_ref()).chain(further);
            labels.map(|tracking| context! { tracking, carrier => &p.carrier })
        })
        .collect();
    let values = context! {
        shop => &policy.shop.name, number => &effect.number, order => &order.order.display, name => &personal.buyer.name, lines, parcels,
    };
    let mut environment = Environment::new();
    environment.set_fuel(Some(100_000));
    let render = |part: &str, text: &str| {
        environment.render_str(text, &values).map_err(|e| {
            Error::new(
                ErrorClass::Config,
                format!("mail template {}.{part}: {e}", kind.as_str()),
            )
        })
    };
    Ok(MailMessage {
        message_id: format!("{}.{}", effect.number.to_ascii_lowercase(), kind.as_str()),
        to: personal.buyer.email.trim().to_owned(),
        subject: render("subject", &template.subject)?
            .lines()
            .collect::<Vec<_>>()
            .join(" "),
        text: render("text", &template.text)?,
    })
}
