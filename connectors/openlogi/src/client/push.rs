//! Creating and stopping shipments.

use std::collections::BTreeMap;

use async_trait::async_trait;
use hikiate_sdk::http::Method;
use hikiate_sdk::{
    Ability, Call, Cancels, Error, ErrorClass, First, Identity, LookUp, Op, OperationSpec,
    Operations, Outcome, Prepared, RetryPolicy, one_by_one, same_object,
};
use serde_json::{Value, json};

use super::prepared::{self, Frozen};
use super::{Listed, Openlogi, written};
use crate::map::instruction::{SERVICES, SLOTS};
use crate::map::shipment::{Seen, Stage, contents};
use crate::wire::{AllWritten, BULK, IDENTIFIERS, NewShipment, Written, request};

#[async_trait]
impl Operations for Openlogi {
    fn operations(&self) -> Vec<OperationSpec> {
        let retry = RetryPolicy::LookUp {
            settle: self.settings.settle,
            // Nobody else creates shipments under our references, and stopping one reads it first.
            first: First::Send,
        };
        vec![
            OperationSpec {
                ability: Ability::Instruct {
                    identity: Identity::Shipment,
                    cancel: Cancels::CommandThenRequest,
                },
                members: 1,
                together: self.settings.bulk,
                ..OperationSpec::new(
                    Op::Instruct,
                    retry,
                    "creates a shipment at OPENLOGI under hikiate's number; picking starts with the next import, 9:00 and 12:30 on working days",
                )
            },
            OperationSpec {
                completes_on_accept: false,
                ..OperationSpec::new(
                    Op::CancelInstruction,
                    retry,
                    "deletes a shipment at OPENLOGI that nobody works on yet; after that it is a request, which OPENLOGI charges for and may decline",
                )
            },
        ]
    }

    fn service_words(&self) -> Option<&'static [&'static str]> {
        Some(&SERVICES)
    }

    fn slot_words(&self) -> Option<&'static [&'static str]> {
        Some(&SLOTS)
    }

    fn prepare(&self, call: &Call) -> Result<Prepared, Error> {
        prepared::prepare(call, &self.settings)
    }

    async fn send(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        match op {
            Op::Instruct => self.create(calls).await,
            _ => one_by_one(calls, |call| self.stop(op, call)).await,
        }
    }

    async fn look_up(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        let mut answers = Vec::with_capacity(calls.len());
        for some in calls.chunks(IDENTIFIERS) {
            answers.extend(self.find(op, some).await);
        }
        answers
    }
}

/// Most shipments that are created one by one after they were refused together.
const ALONE: usize = 10;

fn created(id: String) -> Outcome {
    Outcome::Done { id: Some(id) }
}

/// It was not stopped and never will be.
fn shipped(seen: &Seen) -> Outcome {
    Outcome::Refused {
        code: "shipped".to_owned(),
        message: format!("OPENLOGI has shipped {}", seen.reference),
    }
}

impl Openlogi {
    /// Several in one call, all or none: what it refuses is asked for one by one, and the others in another call without it.
    async fn create(&self, calls: &[&Prepared]) -> Vec<Result<Outcome, Error>> {
        let mut answers: BTreeMap<usize, Result<Outcome, Error>> = BTreeMap::new();
        let mut open: Vec<(usize, Box<NewShipment>)> = Vec::new();
        for (n, call) in calls.iter().enumerate() {
            match call.read::<Frozen>() {
                Ok(Frozen::Create(shipment)) => open.push((n, shipment)),
                Ok(Frozen::Cancel { .. }) => {
                    drop(answers.insert(n, Err(prepared::not_offered(Op::Instruct))))
                }
                Err(error) => drop(answers.insert(n, Err(error))),
            }
        }
        let mut alone = Vec::new();
        for _ in 0..2 {
            if open.len() < 2 {
                break;
            }
            match self.create_all(&open).await {
                Ok(All::Answered(all)) => {
                    let numbers = open.drain(..).map(|(n, _)| n);
                    answers.extend(numbers.zip(all));
                }
                Ok(All::Refused(refused)) => {
                    let all = open.drain(..).enumerate();
                    let (bad, good): (Vec<_>, Vec<_>) =
                        all.partition(|(at, _)| refused.contains(at));
                    alone.extend(bad.into_iter().map(|(_, call)| call));
                    open = good.into_iter().map(|(_, call)| call).collect();
                }
                Err(error) => {
                    answers.extend(open.drain(..).map(|(n, _)| (n, Err(error.clone()))));
                }
            }
        }
        for (tried, (n, shipment)) in alone.into_iter().chain(open).enumerate() {
            let answer = if tried < ALONE {
                self.create_one(&shipment).await
            } else {
                let words = "OPENLOGI refused it together with others and created none of them; it is tried again";
                Err(Error::new(ErrorClass::Transient, words))
            };
            answers.insert(n, answer);
        }
        answers.into_values().collect()
    }

    async fn create_one(&self, shipment: &NewShipment) -> Result<Outcome, Error> {
        let body = json!(shipment).to_string().into_bytes();
        match self
            .write::<Written>(Method::Post, "/shipments", body)
            .await
        {
            Ok(answer) => {
                about("/shipments", &shipment.identifier, &answer)?;
                Ok(created(answer.id))
            }
            Err(error) if error.class == ErrorClass::Conflict => self.taken(shipment, error).await,
            Err(error) => Err(error),
        }
    }

    /// Something stands under our number already, which may be what an earlier try of ours made: the answer is what it is.
    async fn taken(&self, shipment: &NewShipment, error: Error) -> Result<Outcome, Error> {
        let reference = &shipment.identifier;
        let open = |why: &str| {
            let words = format!("{}; {why}", error.message);
            Error::new(ErrorClass::OutcomeUnknown, words)
        };
        let listed = match self.by_reference(&[reference]).await {
            Ok(listed) => listed,
            Err(why) => {
                let why = why.message;
                return Err(open(&format!("looking for {reference} failed: {why}")));
            }
        };
        match is_created(shipment, &listed) {
            Ok(LookUp::Found(outcome)) => Ok(outcome),
            Ok(LookUp::Inconclusive) if listed.of(reference).is_some() => {
                let words = format!(
                    "{}; OPENLOGI has {reference} with other items or quantities than were sent: compare them there",
                    error.message
                );
                Err(Error::new(ErrorClass::Conflict, words))
            }
            Ok(_) => Err(open(&format!(
                "but OPENLOGI lists no shipment {reference} that can be read: look for it there"
            ))),
            Err(why) => Err(open(&why.message)),
        }
    }

    async fn create_all(&self, shipments: &[(usize, Box<NewShipment>)]) -> Result<All, Error> {
        let all: Vec<&NewShipment> = shipments.iter().map(|(_, shipment)| &**shipment).collect();
        let body = json!({ "shipments": all }).to_string().into_bytes();
        let response = self.http.write(request(Method::Post, BULK, body)).await?;
        if response.status == 422 {
            return Ok(All::Refused(refused(&response.body, all.len())));
        }
        let answer: AllWritten = written(BULK, &response)?;
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        for made in answer.shipments {
            ids.extend(made.identifier.map(|identifier| (identifier, made.id)));
        }
        let one = |shipment: &&NewShipment| {
            let id = ids.remove(&shipment.identifier);
            id.map(created).ok_or_else(|| {
                let words = "POST /shipments/bulk: OPENLOGI accepted the call, but its answer does not show this shipment";
                Error::new(ErrorClass::OutcomeUnknown, words).with_code(Error::NOT_SHOWN)
            })
        };
        Ok(All::Answered(all.iter().map(one).collect()))
    }

    /// Deletes it, or asks for it where somebody works on it already. Of the two looks the second is for one whose work began in
    /// between.
    async fn stop(&self, op: Op, prepared: &Prepared) -> Result<Outcome, Error> {
        let Frozen::Cancel { reference } = prepared.read::<Frozen>()? else {
            return Err(prepared::not_offered(op));
        };
        let path = format!("/shipments/{}/{reference}", self.settings.account);
        let first = self.stage_of(&reference).await?;
        match self.stop_at(&path, &first).await {
            Err(error) if first.stage == Some(Stage::Open) && is_refusal(&error) => {
                let second = self.stage_of(&reference).await?;
                if second.stage == first.stage {
                    return Err(error);
                }
                self.stop_at(&path, &second).await
            }
            answer => answer,
        }
    }

    async fn stop_at(&self, path: &str, seen: &Seen) -> Result<Outcome, Error> {
        match seen.stage {
            Some(Stage::Open) => {
                let answer: Written = self.write(Method::Delete, path, Vec::new()).await?;
                about(path, &seen.reference, &answer)?;
                Ok(Outcome::Done {
                    id: Some(answer.id),
                })
            }
            Some(Stage::InWork) => {
                let path = format!("{path}/cancel");
                let answer: Written = self.write(Method::Post, &path, b"{}".to_vec()).await?;
                about(&path, &seen.reference, &answer)?;
                Ok(Outcome::Accepted {
                    id: Some(answer.id),
                })
            }
            Some(Stage::CancelRequested) => Ok(Outcome::Accepted {
                id: seen.wire.id.clone(),
            }),
            Some(Stage::Shipped) => Ok(shipped(seen)),
            None => Err(Error::new(
                ErrorClass::Conflict,
                format!(
                    "OPENLOGI has {} in a status that is not known to this connector: cancel it there",
                    seen.reference
                ),
            )),
        }
    }

    async fn stage_of(&self, reference: &str) -> Result<Seen, Error> {
        let listed = self.by_reference(&[reference]).await?;
        let unsure = listed.is_unsure();
        let mut ours = listed.ours.into_iter();
        let found = ours.find(|seen| seen.reference == reference);
        found.ok_or_else(|| {
            if unsure {
                let why = format!("OPENLOGI's answer about {reference} has a shipment that cannot be read, which may be this one");
                return Error::new(ErrorClass::Protocol, why);
            }
            Error::new(
                ErrorClass::NotFound,
                format!(
                    "OPENLOGI has no shipment {reference}: it was deleted there, or never created"
                ),
            )
        })
    }

    async fn find(&self, op: Op, calls: &[&Prepared]) -> Vec<Result<LookUp, Error>> {
        let frozen: Vec<Result<Frozen, Error>> =
            calls.iter().map(|call| call.read::<Frozen>()).collect();
        let references: Vec<&str> = frozen.iter().flatten().map(Frozen::reference).collect();
        let listed = match references.as_slice() {
            [] => Ok(Listed::default()),
            some => self.by_reference(some).await,
        };
        let one = |frozen: Result<Frozen, Error>| {
            let frozen = frozen?;
            let listed = listed.as_ref().map_err(Clone::clone)?;
            match (op, &frozen) {
                (Op::Instruct, Frozen::Create(shipment)) => is_created(shipment, listed),
                (Op::CancelInstruction, Frozen::Cancel { reference }) => {
                    Ok(self.is_stopped(reference, listed))
                }
                _ => Err(prepared::not_offered(op)),
            }
        };
        frozen.into_iter().map(one).collect()
    }
}

/// What a bulk answers.
enum All {
    /// One answer each.
    Answered(Vec<Result<Outcome, Error>>),
    /// None was created because of these.
    Refused(Vec<usize>),
}

/// Which shipments of a bulk were refused, by their place; all where it does not say.
fn refused(body: &[u8], count: usize) -> Vec<usize> {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let at = |value: &Value| value.as_u64().and_then(|at| usize::try_from(at).ok());
    let named = body["errors"]["shipments.index"].as_array();
    let named: Vec<usize> = named.into_iter().flatten().filter_map(at).collect();
    if named.is_empty() {
        (0..count).collect()
    } else {
        named
    }
}

/// What a write answers has to be about its shipment, where it says about which.
fn about(path: &str, reference: &str, answer: &Written) -> Result<(), Error> {
    let told = answer.identifier.as_deref().unwrap_or(reference);
    same_object(ErrorClass::OutcomeUnknown, path, reference, told)
}

/// A definite no.
fn is_refusal(error: &Error) -> bool {
    matches!(
        error.class,
        ErrorClass::Rejected | ErrorClass::Conflict | ErrorClass::NotFound
    )
}

/// Whether what stands under our reference is what was to be created. It is not there only if all of the answer can be read.
fn is_created(shipment: &NewShipment, listed: &Listed) -> Result<LookUp, Error> {
    let Some(seen) = listed.of(&shipment.identifier) else {
        return Ok(if listed.is_unsure() {
            LookUp::Inconclusive
        } else {
            LookUp::NotFound
        });
    };
    let there = contents(&seen.wire)
        .map_err(|why| Error::new(ErrorClass::Protocol, format!("{}: {why}", seen.reference)))?;
    let mut wanted: Vec<(&str, u32)> = shipment
        .items
        .iter()
        .map(|item| (item.code.as_str(), item.quantity))
        .collect();
    wanted.sort_unstable();
    let there = there.iter().map(|line| (line.code.as_str(), line.quantity));
    if there.ne(wanted) {
        // It is ours by its number and holds something else: for a person to look at.
        return Ok(LookUp::Inconclusive);
    }
    Ok(LookUp::Found(Outcome::Done {
        id: seen.wire.id.clone(),
    }))
}

impl Openlogi {
    /// Whether a shipment is stopped or asked back. One empty answer proves nothing: it is taken as a request, and the stream of
    /// shipments says after two looks what became of it.
    fn is_stopped(&self, reference: &str, listed: &Listed) -> LookUp {
        match listed.of(reference) {
            None if listed.is_unsure() => LookUp::Inconclusive,
            None => {
                self.watched().insert(reference.to_owned());
                LookUp::Found(Outcome::Accepted { id: None })
            }
            Some(seen) => match seen.stage {
                Some(Stage::CancelRequested) => LookUp::Found(Outcome::Accepted {
                    id: seen.wire.id.clone(),
                }),
                // Whatever became of a call of ours, it stopped nothing, and a further one would not either.
                Some(Stage::Shipped) => LookUp::Found(shipped(seen)),
                Some(Stage::Open | Stage::InWork) => LookUp::NotFound,
                None => LookUp::Inconclusive,
            },
        }
    }
}
