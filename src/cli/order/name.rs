//! `order set-name`: another name of the receiver, until the channel tells another one.

use hikiate_sdk::GroupKey;

use crate::cli::args::SetName;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::plan::command::{Now, set_name};
use crate::plan::types::{NotWritten, OrderInput, Written};
use crate::store::{Instead, ReceiverName, StoreError, Typed};

use super::typed::{Reply, TRIES};

/// Tries the name at the warehouses' layouts, as planning will.
fn can_be_written(
    session: &Session,
    input: &OrderInput,
    group: &GroupKey,
    instead: &Instead,
) -> Result<(), Failure> {
    let mut renamed = input.clone();
    if let Some(personal) = &mut renamed.personal {
        personal
            .ship_to
            .retain(|key, _| key.as_str() == group.as_str());
        for party in personal.ship_to.values_mut() {
            party.name.clone_from(&instead.name);
            if let Some(company) = &instead.company {
                party.company.clone_from(company);
            }
        }
    }
    let refused = session.not_written(&renamed);
    let before = |told: &&NotWritten| {
        told.part == Written::Name
            || told.part == Written::Together && !input.not_written.contains(told)
    };
    match refused.iter().find(before) {
        Some(NotWritten { warehouse, why, .. }) => Err(Failure::Refused(format!(
            "{warehouse} cannot write that name either: {why}; nothing was changed"
        ))),
        None => Ok(()),
    }
}

/// `order set-name`
pub(super) async fn set(session: &Session, args: SetName) -> Result<(), Failure> {
    let (id, number) = session.store.find_subject(&args.order).await?;
    let today = session.today().await?;
    let mut tries = 0;
    let wish = loop {
        let (inputs, now) = session.inputs(&[id]).await?;
        let input = inputs
            .get(&id)
            .ok_or_else(|| Failure::Refused(format!("{number} is a batch, not an order")))?;
        let on = Now {
            input,
            policy: &session.loaded.policy,
            rules: &session.loaded.rules,
            now,
        };
        let group = args.group.as_deref();
        let (wish, group) =
            set_name(on, group, args.channel, &args.reason).map_err(Failure::Refused)?;
        let personal = input.personal.as_ref();
        let counts = personal.and_then(|told| told.ship_to.get(group.as_str()));
        let name = args.name.clone().or(counts.map(|party| party.name.clone()));
        // What is not typed stays as it was, also where it was typed before.
        let company = args
            .company
            .clone()
            .or(counts.map(|party| party.company.clone()));
        let instead = (!args.channel).then(|| Instead {
            name: name.unwrap_or_default(),
            company,
        });
        if let Some(instead) = &instead {
            can_be_written(session, input, &group, instead)?;
        }
        if args.dry_run {
            break wish;
        }
        let named = ReceiverName { group, instead };
        let typed = Typed {
            subject_id: id,
            seen: input.facts.last().map(|fact| fact.id),
            wish: wish.clone(),
            named: Some(named),
        };
        let typed = [typed];
        let write = || session.store.type_all(&typed, None, &session.actor, today);
        match session.store.retried("set_name", write).await {
            Ok(()) => break wish,
            Err(StoreError::Replan) if tries < TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    };
    let told = Reply {
        number,
        reference: None,
        dry_run: args.dry_run,
        does: wish.does,
        stays: wish.stays,
    };
    session.out.one(&[&told], || told.words())
}
