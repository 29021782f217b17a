//! The list of tasks: people do what each says, by typing one of its actions, until it is gone.

use hikiate::action::Action;
use hikiate::facts::RefundReason;
use hikiate::plan::command::{end, recalled, refund_is, returned, tell};
use hikiate::store::Decision;
use hikiate_sdk::CancelVerdict;

use super::orders::Act;
use super::warehouse::Warehouse;
use super::world::World;

/// So often people do what a task says; then it ought to be gone.
pub(super) const PATIENCE: u32 = 8;

const WHY: &str = "as the task says";

impl World {
    /// Reads the list of tasks and does what each says. True when something was left to do.
    pub(super) async fn clear_tasks(&mut self) -> bool {
        let tasks = self.engine.store.list_tasks().await.unwrap();
        for task in &tasks {
            self.flagged
                .insert((task.subject.clone(), task.kind.clone()));
        }
        let mut worked = false;
        for task in tasks {
            let key = (task.subject.clone(), task.kind.clone());
            let tries = self.tries.get(&key).copied().unwrap_or(0);
            let mut actions = Vec::new();
            for suggested in task.actions {
                if self.can_do(&suggested.action).await {
                    actions.push(suggested.action);
                }
            }
            // What only the shop has as given back has no typed action: staff go to the provider.
            let given = tries < PATIENCE
                && match &*task.kind {
                    "payment_differs" => self.give_back_as_recorded(&task.subject),
                    "over_captured" if !actions.is_empty() && self.dice.percent(50) => {
                        self.give_back_too_much(&task.subject)
                    }
                    _ => false,
                };
            if given {
                *self.tries.entry(key).or_default() += 1;
                worked = true;
                continue;
            }
            if actions.is_empty() || tries >= PATIENCE {
                continue;
            }
            // What did not help is not typed for ever: each action has its turn.
            let drawn = self.dice.range(0..=8);
            let first = if tries == 0 { drawn } else { u64::from(tries) };
            let first = usize::try_from(first).unwrap() % actions.len();
            actions.rotate_left(first);
            // The next thing only where the program refuses the first.
            for action in &actions {
                if self.does(&task.subject, action).await {
                    *self.tries.entry(key).or_default() += 1;
                    worked = true;
                    break;
                }
            }
        }
        worked
    }

    /// People in this world know how, and it is time.
    async fn can_do(&self, action: &Action) -> bool {
        match action {
            Action::Release { rule } => {
                let of = |what: &str| rule.as_deref().and_then(|rule| rule.strip_prefix(what));
                match (of("short:"), of("parcel_reported_twice:")) {
                    (Some(reference), _) => !self.rest_comes(reference).await,
                    (_, Some(reference)) => self.more_left(reference).await,
                    _ => true,
                }
            }
            Action::SealWave {}
            | Action::End {}
            | Action::Tell { .. }
            | Action::Returned { .. }
            | Action::ExplainRefund { .. }
            | Action::Recalled { .. } => true,
            _ => false,
        }
    }

    /// Types an action. False where it is refused or overtaken.
    async fn does(&mut self, on: &str, action: &Action) -> bool {
        match action {
            Action::Release { rule } => {
                let decision = Decision::Release {
                    rules: rule.iter().cloned().collect(),
                    reason: "seen".to_owned(),
                };
                self.decide(on, decision).await
            }
            Action::SealWave {} => self.seal_now(on).await,
            Action::End {} => self.ends(on).await,
            Action::Tell { reference } => {
                let what = format!("reports {reference} again");
                self.types(on, &what, |now| tell(now, reference, WHY)).await
            }
            Action::Returned { reference } => {
                let what = format!("{reference} came back");
                self.types(on, &what, |now| returned(now, reference, &[], WHY))
                    .await
            }
            Action::ExplainRefund { refund } => {
                let reasons = [
                    RefundReason::Discount,
                    RefundReason::Return,
                    RefundReason::Mistake,
                ];
                let is = *self.dice.pick(&reasons);
                let what = format!("{refund} is a {is:?}");
                self.types(on, &what, |now| refund_is(now, refund, is, WHY))
                    .await
            }
            Action::Recalled { reference } => {
                // Whoever calls hears whether it is still there.
                let mut warehouses = self.far.warehouses.iter();
                let stopped = warehouses.any(|w| w.cancelled().contains(reference));
                let verdict = if stopped {
                    CancelVerdict::Accepted
                } else {
                    CancelVerdict::Declined
                };
                let what = format!("{reference}: {verdict:?} by telephone");
                self.types(on, &what, |now| recalled(now, reference, verdict, WHY))
                    .await
            }
            _ => false,
        }
    }

    /// Ends an order.
    pub(super) async fn ends(&mut self, name: &str) -> bool {
        let done = self.types(name, "ended", |now| end(now, WHY)).await;
        let mut orders = self.orders.iter_mut();
        let order = orders.find(|o| o.number == name || o.name() == name);
        if let Some(order) = order.filter(|_| done) {
            order.acts.insert(Act::Ended);
        }
        done
    }

    /// Whoever asks the warehouse hears whether two boxes were taken for one: more left than counts as left.
    async fn more_left(&self, reference: &str) -> bool {
        let counted: i64 = sqlx::query_scalar(
            "SELECT coalesce(-sum(qty), 0)::bigint FROM stock_movements WHERE starts_with(cause, 'parcel:' || $1 || ':')",
        )
        .bind(reference)
        .fetch_one(&self.admin)
        .await
        .unwrap();
        let left = |w: &Warehouse| {
            let shipped = w.shipped();
            let parcels = shipped.get(reference).into_iter().flatten();
            parcels
                .flat_map(|parcel| &parcel.lines)
                .map(|line| i64::from(line.quantity))
                .sum::<i64>()
        };
        self.far.warehouses.iter().map(left).sum::<i64>() > counted
    }

    /// Whoever asks the warehouse hears whether the rest will leave, or has left and was not read here yet.
    async fn rest_comes(&self, reference: &str) -> bool {
        let mut warehouses = self.far.warehouses.iter();
        if warehouses.any(|w| w.is_open(reference)) {
            return true;
        }
        let unread: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM quarantine WHERE external_id = $1 AND resolved_at IS NULL)",
        )
        .bind(reference)
        .fetch_one(&self.admin)
        .await
        .unwrap();
        if unread {
            return true;
        }
        let read: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM latest_observations WHERE kind = 'parcel' AND starts_with(series, $1 || ':')",
        )
        .bind(reference)
        .fetch_one(&self.admin)
        .await
        .unwrap();
        let left = |w: &Warehouse| w.shipped().get(reference).map_or(0, Vec::len);
        let left: usize = self.far.warehouses.iter().map(left).sum();
        usize::try_from(read).unwrap() < left
    }
}
