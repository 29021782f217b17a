//! What happens to the order in the world: sealing, external systems' answers, what people type.

use chrono::{DateTime, Utc};
use hikiate_sdk::{
    Call, CancelReply, CancelVerdict, Contents, Currency, InstructionReply, Op, ParcelLine,
    ParcelReport, ReplyVerdict, ShipmentReference,
};

use super::build::{SHOP, slug};
use super::world::World;
use crate::facts::*;
use crate::plan::types::*;
use crate::plan::{business_key, cod_of, committed};

impl World {
    /// Seals every waiting shipment that may leave.
    pub(super) fn seal(&mut self) -> Vec<String> {
        let mut sealed = Vec::new();
        for row in self.input.shipments.clone() {
            let reference = row.reference.to_string();
            if row.state != ShipmentStage::Waiting
                || self.shipments[&reference].release_at > self.now
            {
                continue;
            }
            let shipment = self.shipment(&reference);
            let n = self.intents(Op::Instruct).len() as u32 + 1;
            let account = shipment.account;
            let key = business_key(
                Op::Instruct,
                &account,
                &slug(SHOP),
                &self.input.external_id,
                n,
            );
            let what = IntentWhat::Member {
                batch: format!("batch-{reference}"),
                reference: row.reference.clone(),
                committed: self.input.personal.as_ref().map(|personal| {
                    committed(
                        &self.input.field_key,
                        &self.order(),
                        personal,
                        &shipment.group,
                        cod_of(&self.order(), |gateway| gateway == "cod").map(|cod| cod.amount),
                    )
                }),

                codes: Vec::new(),
            };
            let intent = IntentFact {
                op: Op::Instruct,
                account,
                n,
                what,
            };
            self.fact(key, FactBody::Intent(Box::new(intent)), "plan");
            let stored = self
                .input
                .shipments
                .iter_mut()
                .find(|s| s.reference == row.reference);
            stored.unwrap().state = ShipmentStage::Instructed;
            sealed.push(reference);
        }
        sealed
    }

    pub(super) fn shipment(&self, reference: &str) -> ShipmentFact {
        let found = self.input.facts.iter().find_map(|fact| match &fact.body {
            FactBody::Shipment(s) if s.reference.as_str() == reference => Some(s.clone()),
            _ => None,
        });
        found.unwrap()
    }

    pub(super) fn intents(&self, op: Op) -> Vec<(String, IntentFact)> {
        let intents = self.input.facts.iter().filter_map(|fact| match &fact.body {
            FactBody::Intent(i) if i.op == op => Some((fact.key.clone(), (**i).clone())),
            _ => None,
        });
        intents.collect()
    }

    pub(super) fn calls(&self, op: Op) -> Vec<Call> {
        let call = |(_, intent): (String, IntentFact)| match intent.what {
            IntentWhat::Call { call, .. } => Some(*call),
            _ => None,
        };
        self.intents(op).into_iter().filter_map(call).collect()
    }

    pub(super) fn outcome(&mut self, outcome: OutcomeFact) {
        let key = self.nth(format!("{}:outcome", outcome.intent));
        self.fact(key, FactBody::Outcome(outcome), "push");
    }

    /// Ends an intent.
    pub(super) fn end(&mut self, key: &str, verdict: Verdict, message: &str) {
        self.input.queue.retain(|row| row.key != key);
        self.outcome(OutcomeFact {
            intent: key.to_owned(),
            verdict,
            id: None,
            code: None,
            message: message.to_owned(),
        });
    }

    /// Ends the only queued effect of an operation.
    pub(super) fn end_op(&mut self, op: Op, verdict: Verdict) {
        let rows: Vec<_> = self
            .input
            .queue
            .iter()
            .filter(|r| r.op == op)
            .cloned()
            .collect();
        assert_eq!(rows.len(), 1, "{op} in {:?}", self.input.queue);
        self.end(&rows[0].key, verdict, "words");
    }

    /// Ends the instruction of a shipment.
    pub(super) fn instruct_outcome(&mut self, reference: &str, verdict: Verdict) {
        let key = self.intents(Op::Instruct).into_iter().rev().find_map(|(key, intent)| {
            matches!(intent.what, IntentWhat::Member { reference: of, .. } if of.as_str() == reference)
                .then_some(key)
        });
        self.end(&key.unwrap(), verdict, "words");
    }

    pub(super) fn state(&mut self, op: Op, state: EffectState) {
        for row in self.input.queue.iter_mut().filter(|row| row.op == op) {
            row.state = state;
        }
    }

    /// Does all that is queued, planning in between, until nothing is left.
    pub(super) fn push_all(&mut self) {
        for _ in 0..20 {
            self.plan();
            let rows = self.input.queue.clone();
            if rows.is_empty() {
                return;
            }
            for row in rows {
                self.end(&row.key, Verdict::Done, "");
            }
        }
        panic!("effects without end");
    }

    pub(super) fn reply(&mut self, reference: &str, verdict: ReplyVerdict) {
        self.reply_in_words(reference, verdict, "no such address");
    }

    pub(super) fn reply_in_words(&mut self, reference: &str, verdict: ReplyVerdict, words: &str) {
        let key = self.nth(format!("reply:{reference}"));
        let reply = InstructionReply {
            reference: reference.into(),
            verdict,
            message: words.to_owned(),
            at: None,
        };
        self.fact(key, FactBody::Reply(reply), "pull");
    }

    pub(super) fn cancel_reply(&mut self, reference: &str, verdict: CancelVerdict) {
        let key = self.nth(format!("cancel_reply:{reference}"));
        let reply = CancelReply {
            reference: reference.into(),
            verdict,
            message: "packed".to_owned(),
            at: None,
            absent: false,
        };
        self.fact(key, FactBody::CancelReply(reply), "pull");
    }

    /// A parcel leaves now with these lines and quantities.
    pub(super) fn parcel(&mut self, reference: &str, name: &str, lines: &[(u32, u32)]) {
        self.parcel_left(reference, name, lines, self.now);
    }

    pub(super) fn parcel_left(
        &mut self,
        reference: &str,
        name: &str,
        lines: &[(u32, u32)],
        shipped_at: DateTime<Utc>,
    ) {
        let key = self.nth(format!("parcel:{reference}:{name}"));
        let line = |(n, quantity): &(u32, u32)| ParcelLine::new(*n, *quantity);
        let report = ParcelReport {
            also: Vec::new(),
            shipped_until: None,
            adds: false,
            told: None,
            reference: ShipmentReference::new(reference),
            key: name.to_owned(),
            named: false,
            carrier: Some("yamato".to_owned()),
            tracking: Some(name.to_owned()),
            shipped_at,
            contents: Contents::Lines(lines.iter().map(line).collect()),
        };
        self.fact(key, FactBody::Parcel(report), "pull");
        if let Some(shipment) = self.input.facts.iter().find_map(|fact| match &fact.body {
            FactBody::Shipment(s) if s.reference.as_str() == reference => Some(s.clone()),
            _ => None,
        }) {
            for (n, quantity) in lines {
                if let Some(line) = shipment.lines.iter().find(|line| line.n == *n) {
                    let at = if shipment.warehouse == "tokyo" {
                        "tokyo"
                    } else {
                        "osaka"
                    };
                    *self.stock.entry((line.item_id, at)).or_default() -= i64::from(*quantity);
                }
            }
        }
    }

    pub(super) fn deposit(&mut self, name: &str, amount: i64, currency: Currency) {
        let deposit = format!("bank/{name}");
        let body = DepositFact {
            deposit: deposit.clone(),
            amount,
            currency,
        };
        self.fact(
            format!("deposit:{deposit}"),
            FactBody::Deposit(body),
            "operator",
        );
    }

    /// What stands of its deposits.
    pub(super) fn deposited(&self) -> i64 {
        let amounts = self.input.facts.iter().map(|fact| match &fact.body {
            FactBody::Deposit(came) => came.amount,
            FactBody::DepositWithdrawn(gone) => -gone.amount,
            _ => 0,
        });
        amounts.sum()
    }

    /// Takes some of a deposit away again.
    pub(super) fn take_deposit(&mut self, name: &str, amount: i64) {
        let deposit = format!("bank/{name}");
        let key = self.nth(format!("deposit_withdrawn:{deposit}"));
        let body = DepositWithdrawnFact {
            deposit,
            amount,
            currency: Currency::JPY,
            to: DepositTo::Unmatched,
        };
        self.fact(key, FactBody::DepositWithdrawn(body), "operator");
    }

    pub(super) fn release(&mut self, rule: &str) {
        let context = crate::plan::rule_context(&self.input, &self.policy, self.now).unwrap();
        let context = crate::plan::context_hash(&context.unwrap());
        let key = self.nth(format!("typed:released:{rule}"));
        let reason = "looked at".to_owned();
        let body = ReleasedFact {
            rules: vec![rule.to_owned()],
            reason,
            context,
        };
        self.fact(key, FactBody::Released(body), "operator");
    }

    pub(super) fn hold(&mut self) {
        let key = self.nth("typed:held".to_owned());
        let body = HeldFact {
            rule: "manual".to_owned(),
            reason: "asked to wait".to_owned(),
            context: String::new(),
            release: HoldRelease::Manual,
        };
        self.fact(key, FactBody::Held(body), "operator");
    }

    pub(super) fn cancel(&mut self) {
        let key = self.nth("typed:cancel_wanted".to_owned());
        let body = CancelWantedFact {
            reason: "customer called".to_owned(),
        };
        self.fact(key, FactBody::CancelWanted(body), "operator");
    }

    pub(super) fn book_all(&mut self) {
        let events: Vec<_> = self
            .input
            .revenue
            .iter()
            .map(|row| row.key.clone())
            .collect();
        let key = self.nth("booked".to_owned());
        let body = BookedFact {
            batch: "books-journal-1".to_owned(),
            events,
        };
        self.fact(key, FactBody::Booked(body), "push");
    }

    pub(super) fn kinds(plan: &OrderPlan) -> Vec<&str> {
        plan.tasks.iter().map(|task| task.kind.as_str()).collect()
    }
}
