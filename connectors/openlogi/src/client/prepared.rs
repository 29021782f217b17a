//! Calls as frozen bytes. Pure.

use hikiate_sdk::{Call, Error, ErrorClass, Op, Prepared};
use serde::{Deserialize, Serialize};

use crate::config::Settings;
use crate::map::address::refused;
use crate::map::instruction::shipment;
use crate::wire::{NewShipment, is_plain};

/// What [`Prepared::bytes`] hold.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Frozen {
    /// A shipment to create.
    Create(Box<NewShipment>),
    /// A shipment to stop.
    Cancel { reference: String },
}

impl Frozen {
    /// The shipment that it is about.
    pub(super) fn reference(&self) -> &str {
        match self {
            Self::Create(shipment) => &shipment.identifier,
            Self::Cancel { reference } => reference,
        }
    }
}

/// Renders a call.
pub(super) fn prepare(call: &Call, settings: &Settings) -> Result<Prepared, Error> {
    let (frozen, label) = match call {
        Call::Instruct(call) => match call.instructions.as_slice() {
            [one] => {
                let created = shipment(one, settings)?;
                (
                    Frozen::Create(Box::new(created)),
                    format!("POST /shipments {}", one.reference),
                )
            }
            many => {
                let why = format!(
                    "{}: {} shipments; this account takes one a batch",
                    call.batch,
                    many.len()
                );
                return Err(Error::new(ErrorClass::Config, why));
            }
        },
        Call::CancelInstruction(call) => {
            let reference = call.reference.to_string();
            if !is_plain(&reference) {
                let why = "is empty or has characters that an address cannot have";
                return Err(refused("service", "reference", why));
            }
            let label = format!("DELETE /shipments/{}/{reference}", settings.account);
            (Frozen::Cancel { reference }, label)
        }
        other => return Err(not_offered(other.op())),
    };
    Prepared::of(&frozen, label)
}

/// The error for an operation that OPENLOGI does not have.
pub(super) fn not_offered(op: Op) -> Error {
    Error::new(
        ErrorClass::Config,
        format!("an openlogi account has no operation {op}: route it to another account"),
    )
}
