//! Rounds in which all that is due is done, as in the quiet end, but in any order and with accidents: what an order
//! comes to after its first minutes (shipped, told, captured, booked) must meet them too.

use chrono::Duration;

use super::daemon::Step;
use super::world::World;

/// Look-ups and leases, pauses, waits of minutes, the next wave.
const ROUNDS: [Duration; 4] = [
    Duration::seconds(31),
    Duration::seconds(75),
    Duration::minutes(6),
    Duration::hours(3),
];
/// A round ends after so many looks at what is due, whatever is left.
const LOOKS: usize = 8;

impl World {
    /// Works on, while things go wrong.
    pub(super) async fn work(&mut self) {
        self.log.say("---", "all that is due is done now");
        for by in ROUNDS {
            self.advance(by).await;
            for at in 0..self.far.warehouses.len() {
                self.tick(at).await;
            }
            for _ in 0..self.dice.range(0..=3) {
                self.fault();
            }
            for at in 0..self.daemons.len() {
                if self.dice.percent(50) {
                    self.resume(at).await;
                }
                self.run(at, Step::Own, false).await;
            }
            self.hooks_arrive().await;
            self.all_due().await;
            self.look().await;
            if !self.violations.is_empty() {
                return;
            }
        }
    }

    async fn all_due(&mut self) {
        for _ in 0..LOOKS {
            let mut steps = self.due().await;
            if steps.is_empty() {
                return;
            }
            self.dice.shuffle(&mut steps);
            for step in steps {
                let at = self.whose(step);
                let calls = matches!(step, Step::Push(_));
                if self.dice.percent(if calls { 30 } else { 6 }) {
                    self.stumble(at, step).await;
                } else {
                    self.run(at, step, false).await;
                }
                match self.dice.range(0..=39) {
                    0 => self.somebody_acts().await,
                    1 | 2 => self.operator_acts().await,
                    3 | 4 => self.warehouse_works().await,
                    5 | 6 if self.terms.people => self.people_act().await,
                    _ => {}
                }
                if !self.violations.is_empty() {
                    return;
                }
            }
        }
    }

    /// The process that has the account, or any.
    pub(super) fn whose(&mut self, step: Step) -> usize {
        let (Step::Pull(id) | Step::Push(id)) = step else {
            return self.some_daemon();
        };
        let mut daemons = self.daemons.iter();
        let owner = daemons.position(|daemon| daemon.owned.iter().any(|owned| owned.id == id));
        owner.unwrap_or(0)
    }
}
