//! Orders on their way, and the moves of a planner and a pusher, by hand.

use chrono::{DateTime, Utc};
use hikiate::facts::{OutcomeFact, Verdict};
use hikiate::plan::types::{OrderPlan, Status, StockEntryRow};
use hikiate::store::{AttemptResult, ClaimedEffect, PlannedOrder, Store, StoreError};
use sqlx::{Postgres, Transaction};

use super::shop::{Shop, at, order, page, parcel};

impl Shop {
    /// An order for one tea that has stock and a shipment, not instructed.
    pub async fn allocated(&self, id: &str) -> i64 {
        self.count("TEA", 5, 0).await;
        self.pull("shop", &page(0, vec![order(id, 1)])).await;
        self.settle().await;
        let subject = self.subject(id).await;
        assert_eq!(self.status(subject).await, "allocated");
        subject
    }

    /// The same, gone from the warehouse: there is something to tell the channel.
    pub async fn shipped(&self, id: &str) -> i64 {
        let subject = self.allocated(id).await;
        let reference = self.instructed(subject).await;
        let mut told = page(1, Vec::new());
        told.facts.push(parcel(&reference, 1, 1));
        self.pull("wms", &told).await;
        self.settle().await;
        subject
    }

    /// The one effect in the queue, claimed.
    pub async fn claimed(&self) -> ClaimedEffect {
        let owned = self.owned("shop").await;
        let claimed = self.store().claim_effects(&owned, 10, 60).await.unwrap();
        assert_eq!(claimed.len(), 1);
        claimed.into_iter().next().unwrap()
    }

    /// Makes a subject due for planning now.
    pub async fn make_due(&self, subject: i64) {
        sqlx::query("UPDATE subjects SET plan_at = $2, plan_class = 0 WHERE id = $1")
            .bind(subject)
            .bind(at(0))
            .execute(self.pool())
            .await
            .unwrap();
    }

    /// A planner's transaction that holds this one order.
    pub async fn claim(&self, subject: i64) -> Transaction<'static, Postgres> {
        self.make_due(subject).await;
        let mut tx = self.pool().begin().await.unwrap();
        assert_eq!(
            Store::claim_due(&mut tx, 0, 100, self.engine.policy_id)
                .await
                .unwrap(),
            [subject]
        );
        tx
    }

    /// The movement of pieces of TEA that left tokyo for an order of one line.
    pub async fn left(&self, subject: i64, cause: &str, pieces: i64) -> StockEntryRow {
        let row = sqlx::query_as("SELECT id, item_id FROM demands WHERE subject_id = $1");
        let (demand_id, item_id) = row.bind(subject).fetch_one(self.pool()).await.unwrap();
        StockEntryRow {
            cause: cause.to_owned(),
            demand_id,
            item_id,
            warehouse: "tokyo".to_owned(),
            code: String::new(),
            quantity: -pieces,
            effective_at: at(2),
        }
    }

    /// Commits a plan of the test's own for a claimed subject.
    pub async fn commit(
        &self,
        tx: &mut Transaction<'_, Postgres>,
        subject: i64,
        plan: OrderPlan,
    ) -> Result<(), StoreError> {
        let planned = [PlannedOrder {
            subject_id: subject,
            channel_id: self.account("shop"),
            plan,
        }];
        let zone = self.engine.policy.shop.timezone;
        Store::commit_plans(
            tx,
            &planned,
            &self.engine.directory,
            self.engine.policy_id,
            zone,
            at(2),
        )
        .await
        .map(|_tasks| ())
    }
}

/// A plan that does nothing.
pub fn quiet() -> OrderPlan {
    let next: Option<DateTime<Utc>> = None;
    OrderPlan {
        status: Status::Allocated,
        blocked_by: None,
        next,
        read_at: None,
        refresh: None,
        closed: false,
        decisions: Vec::new(),
        demands: Vec::new(),
        shipments: Vec::new(),
        stages: Vec::new(),
        entries: Vec::new(),
        effects: Vec::new(),
        withdraw: Vec::new(),
        seen: None,
        waits: std::collections::BTreeSet::new(),
        revenue: Vec::new(),
        rest: None,
        at_once: None,
        tasks: Vec::new(),
    }
}

/// A definite end of an effect.
pub fn finished(effect: &ClaimedEffect, verdict: Verdict) -> (ClaimedEffect, AttemptResult) {
    let outcome = outcome(&effect.key, verdict);
    (effect.clone(), AttemptResult::Finished { outcome })
}

/// An outcome of an intent.
pub fn outcome(intent: &str, verdict: Verdict) -> OutcomeFact {
    OutcomeFact {
        intent: intent.to_owned(),
        verdict,
        id: None,
        code: None,
        message: String::new(),
    }
}
