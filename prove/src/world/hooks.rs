//! The shop's webhooks on their way: dropped, doubled, late, out of order, forged. They may make hikiate faster and never
//! anything else.

use hikiate::engine::Engine;
use hikiate::hooks::HookDesk;
use hikiate_sdk::conformance::{HookCase, SentHook};

use super::dice::Dice;
use super::far::HOOK_SECRET;
use super::world::World;

/// What lies between the shop and the hook.
pub(super) struct HookWire {
    desk: HookDesk,
    /// Choices of its own: what hooks do moves nothing else that a seed decides.
    dice: Dice,
    under_way: Vec<(HookCase, SentHook)>,
}

impl HookWire {
    pub(super) fn new(engine: &Engine, seed: u64) -> Self {
        let accounts = engine.accounts.values();
        let accounts = accounts.map(|account| (account.id, &account.slug, &account.connector));
        Self {
            desk: HookDesk::new(engine.store.clone(), accounts, engine.metrics.clone()),
            dice: Dice::new(seed ^ 0x686f_6f6b),
            under_way: Vec::new(),
        }
    }

    /// What becomes of what the shop says about an order.
    fn send(&mut self, shop: &hikiate_medusa::sim::MedusaSim, order: &str) {
        let case = match self.dice.range(0..=19) {
            0 | 1 => return,
            2 => HookCase::BadSignature,
            3 => HookCase::Old,
            4 => HookCase::UnknownTopic,
            5 => HookCase::Ping,
            _ => HookCase::Good,
        };
        let sent = shop.hook(HOOK_SECRET, order, case);
        let times = if self.dice.percent(20) { 2 } else { 1 };
        for _ in 0..times {
            self.under_way.push((case, sent.clone()));
        }
    }
}

impl World {
    /// The shop sends what has changed, and some of what is under way arrives, in any order.
    pub(super) async fn hooks_arrive(&mut self) {
        for order in self.far.shop.take_changes() {
            self.hooks.send(&self.far.shop, &order);
        }
        if self.hooks.under_way.is_empty() || !self.hooks.dice.percent(40) {
            return;
        }
        let mut under_way = std::mem::take(&mut self.hooks.under_way);
        self.hooks.dice.shuffle(&mut under_way);
        let most = u64::try_from(under_way.len()).unwrap();
        let n = usize::try_from(self.hooks.dice.range(1..=most)).unwrap();
        let late = under_way.split_off(n);
        for (case, sent) in under_way {
            let arrived = sent.arrived();
            let desk = &self.hooks.desk;
            let reply = desk.receive_at("shop", "orders", &arrived, self.now).await;
            let genuine = !matches!(case, HookCase::BadSignature | HookCase::Old);
            // A genuine one may have been under way for long, or the shop's clock is wrong.
            let right = match reply.status {
                200 | 202 => genuine,
                401 => true,
                _ => false,
            };
            self.log
                .say("hook", format!("{case:?} -> {}", reply.status));
            if !right {
                let what = format!(
                    "a webhook of case {case:?} was answered by {}",
                    reply.status
                );
                self.violated(what);
            }
        }
        self.hooks.under_way = late;
    }
}
