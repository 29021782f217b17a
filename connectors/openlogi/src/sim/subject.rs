//! What the conformance suite checks: an account over a faulty transport to an OPENLOGI of its own.

#![expect(
    clippy::unwrap_used,
    reason = "only the conformance suite runs it: it stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use hikiate_sdk::budget::Clock;
use hikiate_sdk::conformance::{
    Bench, Exchanges, Specification, Subject, TestSystem, Times, Waiver, sample_call,
};
use hikiate_sdk::faulty::FaultyTransport;
use hikiate_sdk::sim::SimClock;
use hikiate_sdk::{
    Asks, BatchName, Call, CancelInstructionCall, Cod, Currency, Customs, Gift, InstructCall,
    Instruction, InstructionLine, Link, Op, Operations, Party, ShipmentReference, SlipPrices,
};
use secrecy::SecretString;

use super::{OpenlogiSim, STANDARD, words};
use crate::config::Settings;
use crate::{Openlogi, site};

const TOKEN: &str = "ol_hunter2";
const ACCOUNT: &str = "TS001";
const MUG: &str = "MUG";

/// Where the public document contradicts itself.
const DEVIATIONS: &[(&str, &str)] = &[(
    ".errors.shipments.1.items.0.code: it is not of type \"string\"",
    "the description of that field and the document's own example have lists of words there",
)];

/// An OPENLOGI in memory.
#[derive(Default)]
pub struct Warehouse {
    exchanges: Exchanges,
    /// Shipments that are to be cancelled are being picked already.
    picks: bool,
}

impl Warehouse {
    /// Where a cancellation is done at once, and where it is a request.
    #[must_use]
    pub fn both() -> [Self; 2] {
        [false, true].map(|picks| Self {
            picks,
            ..Self::default()
        })
    }
}

struct Far {
    sim: Arc<OpenlogiSim>,
    clock: SimClock,
    made: AtomicUsize,
    picks: bool,
}

fn account(link: &Link) -> Openlogi {
    let token = SecretString::from(TOKEN.to_owned());
    let http = link.http(site("https://wms.example/api", token.into()));
    Openlogi::new(http.unwrap(), Settings::of(ACCOUNT))
}

/// The only waiver but for stock: see [`Subject::waivers`].
const ALONE: &str = "a batch has one shipment, and the answer to the call is its own";

#[async_trait]
impl Subject for Warehouse {
    fn name(&self) -> String {
        let when = if self.picks {
            ", once picking has begun"
        } else {
            ""
        };
        format!("openlogi{when}")
    }

    fn waivers(&self) -> Vec<Waiver> {
        let stock = "OPENLOGI reports quantities as of the answer, without a time";
        vec![
            Waiver::new("time zones/stock", stock),
            Waiver::new("partial batch/instruct", ALONE),
        ]
    }

    fn specification(&self) -> Option<Specification> {
        Some(Specification {
            document: "openlogi/openapi.json",
            exchanges: self.exchanges.clone(),
            deviations: DEVIATIONS,
        })
    }

    async fn fresh(&self) -> Bench {
        // The suite asks by the machine's clock, and days are the account's cursor.
        let clock = SimClock::at(SimClock::real().now());
        let sim = Arc::new(OpenlogiSim::new(clock.clone(), TOKEN, ACCOUNT));
        sim.limit(Some(u32::MAX));
        let seam = Arc::new(
            FaultyTransport::new(self.exchanges.over(sim.transport()))
                .echoing(format!("{TOKEN} hanako@example.test"))
                .speaking(words),
        );
        let link = Link::new(Clock::default()).over(seam.clone());
        Bench {
            connector: Arc::new(account(&link)),
            far: Arc::new(Far {
                sim,
                clock,
                made: AtomicUsize::default(),
                picks: self.picks,
            }),
            seam,
            link,
        }
    }
}

impl Far {
    fn next(&self) -> usize {
        self.made.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A new instruction, for a parcel with everything that OPENLOGI has fields for.
    fn instruction(&self, lines: usize) -> Instruction {
        let n = self.next();
        let line = |at: usize| InstructionLine {
            n: u32::try_from(at + 1).unwrap(),
            code: if at == 0 {
                MUG.to_owned()
            } else {
                format!("{MUG}-{at}")
            },
            title: "マグカップ 青".to_owned(),
            quantity: 2,
            unit_price: Some(1_100),
            customs: Customs::default(),
        };
        let lines: Vec<InstructionLine> = (0..lines).map(line).collect();
        for line in &lines {
            self.sim.receive(&line.code, STANDARD, 10);
        }
        let sender = Party {
            name: "株式会社 送り主".to_owned(),
            ..home()
        };
        Instruction {
            reference: ShipmentReference::new(format!("HK{n:013}-S1")),
            order_number: format!("HK{n:013}"),
            display: format!("#{n}"),
            channel: "shop".to_owned(),
            ordered_at: self.clock.now(),
            service: Some("YAMATO HOME_BOX".to_owned()),
            earliest_ship: None,
            ship_to: home(),
            lines,
            asks: Asks {
                arrive_on: Some((self.clock.now() + TimeDelta::days(4)).date_naive()),
                slot: Some("AM".to_owned()),
                temperature: None,
                sender: Some(sender),
                gift: Gift {
                    wrapping: "NAVY".to_owned(),
                    message: "secret birthday".to_owned(),
                    ..Gift::default()
                },
                cod: Some(Cod {
                    currency: Currency::JPY,
                    amount: 2_700,
                    tax: Some(245),
                }),
                prices: Some(SlipPrices {
                    currency: Currency::JPY,
                    goods: 2_200,
                    postage: 500,
                    fees: 0,
                    discount: 0,
                    total: 2_700,
                }),
            },
        }
    }

    /// A shipment that was created past the suite's faults, and its reference.
    async fn created(&self, lines: usize) -> String {
        let instruction = self.instruction(lines);
        let reference = instruction.reference.to_string();
        let past = account(&Link::new(Clock::default()).over(self.sim.transport()));
        let prepared = past.prepare(&batch(instruction)).unwrap();
        past.send_one(Op::Instruct, &prepared).await.unwrap();
        reference
    }

    async fn shipped(&self, lines: usize, at: DateTime<Utc>) -> (String, String) {
        let reference = self.created(lines).await;
        assert!(
            self.sim
                .ship_at(&reference, &["401234567890", "401234567901"], at)
        );
        let id = self.sim.shipment(&reference).unwrap().id;
        let identity = format!("parcel:{reference}/{id}");
        (reference, identity)
    }
}

fn home() -> Party {
    Party {
        name: "秘密 花子".to_owned(),
        company: "隠れ商事".to_owned(),
        country: "JP".to_owned(),
        postal_code: "170-0013".to_owned(),
        region: "東京都".to_owned(),
        city: "豊島区".to_owned(),
        address1: "東池袋1-34-5".to_owned(),
        address2: "秘密ビル9F".to_owned(),
        phone: "+81 3-3333-4444".to_owned(),
        email: "hanako@example.test".to_owned(),
    }
}

fn batch(instruction: Instruction) -> Call {
    Call::Instruct(InstructCall {
        batch: BatchName {
            account: "wms".to_owned(),
            kind: "instruct".to_owned(),
            period: "20261121T1300".to_owned(),
            n: 1,
        },
        instructions: vec![instruction],
    })
}

#[async_trait]
impl TestSystem for Far {
    /// Lists of shipments come whole; items are asked for fifty at a time.
    fn page_size(&self, stream: &str) -> usize {
        if stream == "stock" { 50 } else { 3 }
    }

    async fn seed(&self, stream: &str, count: usize, times: Times) -> Vec<String> {
        let now = self.clock.now();
        let mut made = Vec::with_capacity(count);
        for n in 0..count {
            if times == Times::Rising {
                self.clock.advance(Duration::from_millis(1));
            }
            if stream == "stock" {
                let code = format!("SKU-{:05}", self.next());
                self.sim.count_stock(&code, STANDARD, 5);
                made.push(format!("stock:{code}@{STANDARD}"));
            } else if n % 2 == 0 {
                made.push(format!("reply:{}", self.created(1).await));
            } else {
                let late = TimeDelta::hours(if times == Times::Late { 2 } else { 0 });
                made.push(self.shipped(1, now - late).await.1);
            }
        }
        made
    }

    async fn codes(&self, _stream: &str) -> Vec<String> {
        self.sim.codes()
    }

    async fn seed_bad(&self, stream: &str) {
        if stream == "stock" {
            self.sim.add_partial_item("BAD", STANDARD, "stocks");
        } else {
            let reference = self.created(1).await;
            assert!(self.sim.lose_field(&reference, "status"));
        }
    }

    async fn seed_long(&self, stream: &str) -> BTreeMap<String, usize> {
        if stream == "stock" {
            let made = self.seed(stream, 150, Times::Rising).await;
            return made.into_iter().map(|identity| (identity, 1)).collect();
        }
        let (_, identity) = self.shipped(150, self.clock.now()).await;
        BTreeMap::from([(identity, 150)])
    }

    async fn seed_partial(&self, stream: &str) -> usize {
        if stream == "stock" {
            let fields = ["stocks", "stocks.available", "stocks.warehouse", "code"];
            for field in fields {
                let code = format!("PARTIAL-{field}");
                self.sim.add_partial_item(&code, STANDARD, field);
            }
            return fields.len();
        }
        let fields = [
            "id",
            "status",
            "shipped_at",
            "items",
            "items.code",
            "items.quantity",
        ];
        for field in fields {
            let (reference, _) = self.shipped(1, self.clock.now()).await;
            assert!(self.sim.lose_field(&reference, field));
        }
        fields.len()
    }

    async fn seed_at(&self, _stream: &str, at: DateTime<Utc>) -> Option<String> {
        Some(self.shipped(1, at).await.1)
    }

    async fn tell_again(&self, _stream: &str, _identity: &str) {
        // Every list is told whole each time.
    }

    async fn batch(&self, op: Op) -> Call {
        sample_call(op)
    }

    async fn answer_batch(&self, _call: &Call, _refused: &ShipmentReference) -> String {
        String::new()
    }

    async fn call(&self, op: Op) -> Call {
        match op {
            Op::Instruct => batch(self.instruction(1)),
            Op::CancelInstruction => {
                let reference = self.created(1).await;
                assert!(!self.picks || self.sim.start_picking(&reference));
                Call::CancelInstruction(CancelInstructionCall {
                    key: "cancel_instruction:1".to_owned(),
                    order_number: reference.trim_end_matches("-S1").to_owned(),
                    reference: ShipmentReference::new(reference),
                })
            }
            other => sample_call(other),
        }
    }

    async fn refused(&self, op: Op) -> Call {
        let mut instruction = self.instruction(1);
        for line in &mut instruction.lines {
            line.code = "UNKNOWN".to_owned();
        }
        match op {
            Op::Instruct => batch(instruction),
            other => sample_call(other),
        }
    }

    async fn times_done(&self, _op: Op, call: &Call) -> usize {
        match call {
            Call::Instruct(call) => {
                let created = |i: &Instruction| self.sim.created(i.reference.as_str());
                call.instructions.iter().map(created).sum()
            }
            Call::CancelInstruction(call) => {
                let shipment = self.sim.shipment(call.reference.as_str());
                shipment.map_or(0, |s| usize::from(s.gone) + s.cancel_requests)
            }
            _ => 0,
        }
    }

    fn planted(&self) -> Vec<String> {
        [
            "hunter2",
            "hanako@example.test",
            "花子",
            "隠れ商事",
            "東池袋",
            "秘密ビル",
            "送り主",
            "birthday",
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn debug_texts(&self) -> Vec<String> {
        let table = serde_json::json!({ "url": "https://wms.example", "token": { "env": "K" }, "account": ACCOUNT });
        let written =
            crate::map::instruction::shipment(&self.instruction(1), &Settings::of(ACCOUNT));
        vec![
            format!("{:?}", crate::config::read(&table)),
            format!("{:?}", written.unwrap().recipient),
        ]
    }
}
