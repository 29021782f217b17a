//! Webhooks on their way: dropped, doubled, late, out of order, forged. They may make hikiate faster and never
//! anything else.

use hikiate::demo::merchant::HOOK_SECRET;
use hikiate::engine::Engine;
use hikiate::hooks::HookDesk;
use hikiate_sdk::conformance::{HookCase, SentHook};

use super::dice::Dice;
use super::terms::CARDS;
use super::world::World;

/// What lies between whoever sends hooks and us.
pub(super) struct HookWire {
    desk: HookDesk,
    /// Choices of its own: what hooks do moves nothing else that a seed decides.
    dice: Dice,
    under_way: Vec<UnderWay>,
}

/// A webhook.
#[derive(Clone)]
struct UnderWay {
    account: &'static str,
    hook: &'static str,
    case: HookCase,
    /// It is forged, or old and says so.
    refused: bool,
    sent: SentHook,
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

    /// What becomes of what somebody posts.
    fn send(
        &mut self,
        account: &'static str,
        hook: &'static str,
        dated: bool,
        post: impl Fn(HookCase) -> Option<SentHook>,
    ) {
        let case = match self.dice.range(0..=19) {
            0 | 1 => return,
            2 => HookCase::BadSignature,
            3 => HookCase::Old,
            4 => HookCase::UnknownTopic,
            5 => HookCase::Ping,
            _ => HookCase::Good,
        };
        let Some(sent) = post(case) else { return };
        let refused = matches!(case, HookCase::BadSignature) || dated && case == HookCase::Old;
        let times = if self.dice.percent(20) { 2 } else { 1 };
        for _ in 0..times {
            self.under_way.push(UnderWay {
                account,
                hook,
                case,
                refused,
                sent: sent.clone(),
            });
        }
    }
}

impl World {
    /// Shops and providers send what has changed, and some of what is under way arrives, in any order.
    pub(super) async fn hooks_arrive(&mut self) {
        for shop in self.far.shops.clone() {
            for order in shop.take_changes() {
                let post = |case| Some(shop.hook(&order, case));
                self.hooks
                    .send(shop.account, "orders", shop.dates_hooks(), post);
            }
            let Some(provider) = shop.woo.as_ref().map(|woo| &woo.provider) else {
                continue;
            };
            for event in provider.take_changes() {
                let post = |case| provider.hook(HOOK_SECRET, &event, case);
                self.hooks.send(CARDS, "events", true, post);
            }
        }
        if self.hooks.under_way.is_empty() || !self.hooks.dice.percent(40) {
            return;
        }
        let mut under_way = std::mem::take(&mut self.hooks.under_way);
        self.hooks.dice.shuffle(&mut under_way);
        let most = u64::try_from(under_way.len()).unwrap();
        let n = usize::try_from(self.hooks.dice.range(1..=most)).unwrap();
        let late = under_way.split_off(n);
        for hook in under_way {
            let (case, arrived) = (hook.case, hook.sent.arrived());
            let desk = &self.hooks.desk;
            let reply = desk
                .receive_at(hook.account, hook.hook, &arrived, self.now)
                .await;
            let genuine = !hook.refused;
            // A genuine one may have been under way for long, or the shop's clock is wrong.
            let right = match reply.status {
                200 | 202 => genuine,
                401 => true,
                _ => false,
            };
            self.log.say(
                "hook",
                format!("{} {case:?} -> {}", hook.account, reply.status),
            );
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
