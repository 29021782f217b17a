//! `order set-name`: another name of the receiver, until the channel tells another one.

use crate::cli::args::SetName;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::plan::command::{Now, set_name};
use crate::store::{ReceiverName, StoreError, Typed};

use super::typed::{TRIES, Told};

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
        let (wish, group) = set_name(on, group, &args.reason).map_err(Failure::Refused)?;
        let typed = Typed {
            subject_id: id,
            seen: input.facts.last().map(|fact| fact.id),
            wish: wish.clone(),
            named: Some(ReceiverName {
                group,
                name: args.name.clone(),
                company: args.company.clone(),
            }),
        };
        let typed = [typed];
        let write = || session.store.type_all(&typed, None, &session.actor, today);
        match session.store.retried("set_name", write).await {
            Ok(()) => break wish,
            Err(StoreError::Replan) if tries < TRIES => tries += 1,
            Err(error) => return Err(error.into()),
        }
    };
    let told = Told {
        number,
        reference: None,
        dry_run: false,
        does: wish.does,
        stays: wish.stays,
    };
    session.out.one(&[&told], || told.words())
}
