//! Operators who decide more than holds: end an order, pause an account for a while, stop shipping from a warehouse.

use hikiate::plan::command::{Now, Wish, end};
use hikiate::store::{Paused, StopScope, Store, StoreError, Typed};

use super::orders::Act;
use super::world::World;

const WHY: &str = "an operator's decision";
const WHO: &str = "operator";

impl World {
    /// Something that is undone later, or ends an order.
    pub(super) async fn operator_decides(&mut self) {
        let store = self.engine.store.clone();
        match self.dice.range(0..=9) {
            0..=3 => {
                let Some(at) = self.some_order() else {
                    return;
                };
                let name = format!("shop/{}", self.orders[at].id);
                if self.typed(&name, |now| end(now, WHY)).await {
                    self.orders[at].acts.insert(Act::Ended);
                    self.counts.acts += 1;
                }
            }
            4..=6 => {
                let account = *self.dice.pick(&["shop", "tokyo-3pl", "osaka-3pl", "post"]);
                let what = *self
                    .dice
                    .pick(&[Paused::Writes, Paused::Writes, Paused::Reads]);
                let paused = store.pause_by_operator(account, what, WHY, WHO).await;
                paused.unwrap();
                self.counts.acts += 1;
                let text = format!("pauses {account}: {}", what.as_str());
                self.log.say(WHO, text);
            }
            7 => {
                let scope = StopScope {
                    warehouse: Some((*self.dice.pick(&["tokyo", "osaka"])).to_owned()),
                    ..StopScope::default()
                };
                let today = self.engine.today(self.now);
                let stop = store.stop_shipping(&scope, false, WHY, WHO, today, false);
                stop.await.unwrap();
                self.counts.acts += 1;
                self.log.say(WHO, format!("stops shipping: {scope:?}"));
            }
            _ => self.let_all_go().await,
        }
    }

    /// Resumes what is paused and lifts what is stopped.
    pub(super) async fn let_all_go(&mut self) {
        let store = self.engine.store.clone();
        for account in ["shop", "tokyo-3pl", "osaka-3pl", "post"] {
            match store.resume_by_operator(account, None).await {
                Ok(_) => self.log.say(WHO, format!("resumes {account}")),
                Err(StoreError::Refused(_)) => {}
                Err(error) => self.violated(format!("resuming {account}: {error}")),
            }
        }
        for stop in store.list_stops().await.unwrap() {
            store.lift_stop(stop.id, WHY, WHO).await.unwrap();
            self.log.say(WHO, format!("lifts stop {}", stop.id));
        }
    }

    /// Types what the planner says of an order now. False where it is refused or overtaken.
    async fn typed(
        &mut self,
        name: &str,
        command: impl FnOnce(Now<'_>) -> Result<Wish, String>,
    ) -> bool {
        let engine = &self.engine;
        let Ok((id, number)) = engine.store.find_subject(name).await else {
            return false;
        };
        let mut tx = engine.store.pool().begin().await.unwrap();
        let loaded = Store::load(&mut tx, &[id], &engine.directory, &engine.epochs).await;
        tx.commit().await.unwrap();
        let Some((_, _, Ok(input))) = loaded.unwrap().orders.into_iter().next() else {
            return false;
        };
        let now = Now {
            input: &input,
            policy: &engine.policy,
            rules: &*engine.rules,
            now: self.now,
        };
        let Ok(wish) = command(now) else {
            return false;
        };
        let typed = [Typed {
            subject_id: id,
            seen: input.facts.last().map(|fact| fact.id),
            wish,
        }];
        let today = engine.today(self.now);
        let stored = engine
            .store
            .type_all(&typed, Some(&engine.directory), WHO, today);
        match stored.await {
            Ok(()) => {
                self.log.say(WHO, format!("ends {number}"));
                true
            }
            Err(StoreError::Replan) => false,
            Err(error) => {
                self.violated(format!("ending {number}: {error}"));
                false
            }
        }
    }
}
