//! An OPENLOGI to test with.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use hikiate_sdk::budget::Clock;
use hikiate_sdk::http::Transport;
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{
    Asks, BatchName, Call, CancelInstructionCall, Customs, Here, InstructCall, Instruction,
    InstructionLine, Link, Observed, Op, Operations, Outcome, Party, Prepared, ShipmentReference,
    Source,
};
use secrecy::SecretString;
use serde_json::Value;

use crate::config::Settings;
use crate::sim::{OpenlogiSim, STANDARD};
use crate::{Openlogi, site};

pub(super) const TOKEN: &str = "ol_hunter2";
pub(super) const ACCOUNT: &str = "TS001";

/// A warehouse, its clock and an account.
pub(super) struct World {
    pub(super) clock: SimClock,
    pub(super) sim: Arc<OpenlogiSim>,
    pub(super) account: Openlogi,
    /// What the engine has heard nothing of.
    pub(super) unheard: Vec<String>,
}

/// Noon in Japan.
pub(super) fn noon() -> DateTime<Utc> {
    "2026-11-27T03:00:00Z".parse().unwrap()
}

pub(super) fn account(transport: Arc<dyn Transport>, settings: Settings) -> Openlogi {
    let token = SecretString::from(TOKEN.to_owned());
    let link = Link::new(Clock::default()).over(transport);
    let http = link.http(site("https://wms.example/api", token.into()));
    Openlogi::new(http.unwrap(), settings)
}

pub(super) fn world() -> World {
    let clock = SimClock::at(noon());
    let sim = Arc::new(OpenlogiSim::new(clock.clone(), TOKEN, ACCOUNT));
    sim.count_stock("MUG", STANDARD, 100);
    World {
        account: account(sim.transport(), Settings::of(ACCOUNT)),
        clock,
        sim,
        unheard: Vec::new(),
    }
}

pub(super) fn reference(n: usize) -> String {
    format!("HK{n:013}-S1")
}

pub(super) fn instruction(n: usize, quantity: u32) -> Instruction {
    Instruction {
        reference: ShipmentReference::new(reference(n)),
        order_number: format!("HK{n:013}"),
        display: format!("#{n}"),
        channel: "shop".to_owned(),
        ordered_at: noon(),
        service: None,
        earliest_ship: None,
        ship_to: Party {
            name: "見本 花子".to_owned(),
            country: "JP".to_owned(),
            postal_code: "170-0013".to_owned(),
            region: "東京都".to_owned(),
            city: "豊島区".to_owned(),
            address1: "東池袋0-0-0".to_owned(),
            ..Party::default()
        },
        lines: vec![InstructionLine {
            n: 1,
            code: "MUG".to_owned(),
            title: "マグカップ".to_owned(),
            quantity,
            unit_price: None,
            customs: Customs::default(),
        }],
        asks: Asks::default(),
    }
}

pub(super) fn instruct(instruction: Instruction) -> Call {
    Call::Instruct(InstructCall {
        batch: BatchName {
            account: "wms".to_owned(),
            kind: "instruct".to_owned(),
            period: "20261127T1200".to_owned(),
            n: 1,
        },
        instructions: vec![instruction],
    })
}

pub(super) fn cancel(n: usize) -> Call {
    Call::CancelInstruction(CancelInstructionCall {
        key: format!("cancel_instruction:{n}"),
        reference: ShipmentReference::new(reference(n)),
        order_number: format!("HK{n:013}"),
    })
}

impl World {
    /// Creates a shipment of one mug and tells its reference.
    pub(super) async fn created(&self, n: usize) -> String {
        let prepared = self.prepare(&instruct(instruction(n, 1)));
        let outcome = self
            .account
            .send_one(Op::Instruct, &prepared)
            .await
            .unwrap();
        assert!(matches!(outcome, Outcome::Done { id: Some(_) }));
        reference(n)
    }

    pub(super) fn prepare(&self, call: &Call) -> Prepared {
        self.account.prepare(call).unwrap()
    }

    /// Reads the shipments to the end of a round.
    pub(super) async fn round(&self, cursor: &mut Option<Value>) -> Vec<Observed> {
        let (told, waiting) = self.round_with_waiting(cursor).await;
        assert_eq!(waiting, Vec::<String>::new());
        told
    }

    /// The same, and what waits at its end.
    pub(super) async fn round_with_waiting(
        &self,
        cursor: &mut Option<Value>,
    ) -> (Vec<Observed>, Vec<String>) {
        let mut told = Vec::new();
        for _ in 0..100 {
            let here = Here {
                unheard: &self.unheard,
                ..Here::at(self.clock.now())
            };
            let page = self
                .account
                .page("shipments", cursor.as_ref(), here)
                .await
                .unwrap();
            for record in page.records {
                let again = self.account.reread("shipments", None, &record.raw).unwrap();
                let parsed = record.parsed.unwrap();
                assert_eq!(again.len(), 1);
                assert_eq!(again.into_iter().next().unwrap().parsed.unwrap(), parsed);
                told.push(parsed);
            }
            *cursor = Some(page.next);
            if !page.more {
                return (told, page.waiting);
            }
        }
        panic!("a round without end");
    }
}

/// What was told, in short: `reply 1 …`, `parcel 1 …`, `cancel 1 accepted`.
pub(super) fn short(told: &[Observed]) -> Vec<String> {
    let number = |reference: &ShipmentReference| {
        let digits = reference
            .as_str()
            .trim_start_matches("HK")
            .trim_end_matches("-S1");
        digits.trim_start_matches('0').to_owned()
    };
    told.iter()
        .map(|observed| match observed {
            Observed::InstructionReply(reply) => {
                format!("reply {} {}", number(&reply.reference), reply.message)
            }
            Observed::Parcel(parcel) => format!(
                "parcel {} {} {}",
                number(&parcel.reference),
                parcel.tracking.as_deref().unwrap_or("none"),
                parcel.also.join(" ")
            )
            .trim_end()
            .to_owned(),
            Observed::CancelReply(reply) => {
                format!("cancel {} {:?}", number(&reply.reference), reply.verdict)
            }
            other => panic!("{other:?}"),
        })
        .collect()
}
