//! The active phase: in an order drawn from the seed, daemons take steps, customers, staff, warehouses and
//! operators act, faults are put in place, and processes die.

use chrono::Duration;
use hikiate_files::sim::SimFile;
use hikiate_sdk::faulty::{Fault, Target};

use super::clumsy::Clumsy;
use super::daemon::{Ended, Step, drive};
use super::orders::{self, Placed};
use super::terms::ITEMS;
use super::world::World;

/// What may befall a call. A duplicated write is left out where the external system has no key against it: nothing on
/// this side could tell, or help.
const READS: [Fault; 11] = [
    Fault::LostReply,
    Fault::ErrorBefore,
    Fault::RateLimited,
    Fault::RateLimitedSilently,
    Fault::SlowDown,
    Fault::RateLimitedInOk,
    Fault::Unauthorised,
    Fault::Forbidden,
    Fault::Garbage,
    Fault::Truncated,
    Fault::Duplicate,
];
const WRITES: [Fault; 14] = [
    Fault::LostReply,
    Fault::LostReply,
    Fault::NotSent,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::RateLimited,
    Fault::RateLimitedSilently,
    Fault::SlowDown,
    Fault::RateLimitedInOk,
    Fault::Unauthorised,
    Fault::Forbidden,
    Fault::Refused,
    Fault::Truncated,
    Fault::ErrorInOk,
];
const FOLDER_WRITES: [Fault; 6] = [
    Fault::LostReply,
    Fault::NotSent,
    Fault::ErrorBefore,
    Fault::ErrorAfter,
    Fault::Unauthorised,
    Fault::Duplicate,
];
const FOLDER_READS: [Fault; 4] = [
    Fault::LostReply,
    Fault::Unauthorised,
    Fault::Truncated,
    Fault::Garbage,
];
const MAILS: [Fault; 5] = [
    Fault::NotSent,
    Fault::Refused,
    Fault::LostReply,
    Fault::Garbage,
    Fault::Truncated,
];

impl World {
    /// Everything that happens while things go wrong.
    pub(super) async fn play(&mut self) {
        self.count(0).await;
        self.count(1).await;
        let mut to_come = self.terms.orders;
        let actions = self.terms.actions;
        for turn in 0..actions {
            let left = actions - turn;
            if to_come > 0 && self.dice.range(1..=left) <= to_come.saturating_mul(2) {
                to_come -= 1;
                self.place().await;
            }
            self.turn().await;
            self.hooks_arrive().await;
            if self.terms.people && self.dice.percent(25) {
                self.people_act().await;
            }
            if turn % 8 == 7 {
                self.look().await;
            }
            if !self.violations.is_empty() {
                return;
            }
        }
    }

    async fn turn(&mut self) {
        match self.dice.range(0..=99) {
            0..=46 => self.sweep().await,
            47..=59 => {
                let (at, step) = self.some_step().await;
                self.stumble(at, step).await;
            }
            60..=63 => self.together().await,
            64..=66 => {
                let at = self.some_daemon();
                self.resume(at).await;
            }
            67 => {
                let at = self.some_daemon();
                if self.dice.percent(30) {
                    self.run(at, Step::Vacuum, false).await;
                }
                self.crash(at).await;
            }
            68..=80 => self.warehouse_works().await,
            81..=87 => self.fault(),
            88..=92 => {
                let seconds = *self.dice.pick(&[1, 5, 20, 35, 70, 200]);
                self.advance(Duration::seconds(seconds)).await;
                self.log.say("clock", format!("{seconds} s later"));
            }
            93..=96 => self.somebody_acts().await,
            _ => self.operator_acts().await,
        }
    }

    /// Staff at the shop, or an operator, by themselves.
    pub(super) async fn people_act(&mut self) {
        if self.dice.percent(80) {
            self.staff_acts();
        } else {
            self.operator_decides().await;
        }
    }

    pub(super) fn some_daemon(&mut self) -> usize {
        let last = u64::try_from(self.daemons.len() - 1).unwrap();
        usize::try_from(self.dice.range(0..=last)).unwrap()
    }

    /// Mostly one that has something to do.
    async fn some_step(&mut self) -> (usize, Step) {
        let at = self.some_daemon();
        let mut steps = self.due().await;
        if steps.is_empty() || self.dice.percent(15) {
            steps = self.daemons[at].steps();
        }
        // Calls to external systems are where most can go wrong.
        let calls: Vec<Step> = steps
            .iter()
            .copied()
            .filter(|s| matches!(s, Step::Push(_)))
            .collect();
        steps.extend(calls.iter().chain(&calls).copied().collect::<Vec<_>>());
        (at, *self.dice.pick(&steps))
    }

    /// What is due, in any order, by one daemon, a moment later; sometimes what is not due too.
    async fn sweep(&mut self) {
        let at = self.some_daemon();
        let millis = i64::try_from(self.dice.range(1..=4_000)).unwrap();
        self.advance(Duration::milliseconds(millis)).await;
        if self.dice.percent(60) {
            self.run(at, Step::Own, false).await;
        }
        let mut steps = self.due().await;
        if self.dice.percent(10) {
            steps.extend(self.daemons[at].steps());
        }
        self.dice.shuffle(&mut steps);
        steps.truncate(usize::try_from(self.dice.range(2..=9)).unwrap());
        for step in steps {
            self.run(at, step, false).await;
        }
    }

    /// Two steps at once, of one daemon or of two; one of them may die on the way.
    async fn together(&mut self) {
        let (one, first) = self.some_step().await;
        let (other, second) = self.some_step().await;
        if one == other && first == second {
            return;
        }
        let begun = (
            self.daemons[one].begin(first, false),
            self.daemons[other].begin(second, false),
        );
        let (Some(left), Some(right)) = begun else {
            return;
        };
        self.counts.steps += 2;
        let labels = (
            self.daemons[one].label(first),
            self.daemons[other].label(second),
        );
        let polls = self.dice.percent(30).then(|| self.dice.range(1..=25));
        let names = (&self.daemons[one].name, &self.daemons[other].name);
        self.log.say(
            "together",
            format!("{} {} and {} {}", names.0, labels.0, names.1, labels.1),
        );
        let gates = (
            std::sync::Arc::clone(&self.daemons[one].gate),
            std::sync::Arc::clone(&self.daemons[other].gate),
        );
        // What is left behind by the one that dies is undone while the other runs on.
        let (left, right) =
            tokio::join!(drive(left, &gates.0, polls), drive(right, &gates.1, None));
        let died = matches!(left, Ended::Died);
        self.settle_step(other, second, right);
        if died {
            self.log
                .say(&self.daemons[one].name, format!("*** dies in {}", labels.0));
            self.crash(one).await;
        } else {
            self.settle_step(one, first, left);
        }
    }

    pub(super) async fn place(&mut self) {
        if self.dice.percent(5) {
            let id = self.far.shop.place_undecodable_order();
            let (_, placed) = orders::draw(&mut self.dice, 0);
            let placed = Placed {
                undecodable: true,
                ..placed.named(id)
            };
            self.log
                .say("customer", format!("{} cannot be fetched", placed.id));
            self.orders.push(placed);
            return;
        }
        let (new, placed) = orders::draw(&mut self.dice, self.orders.len());
        let placed = placed.named(self.far.shop.place_order(new));
        let mut words = format!(
            "orders {} ({}) {:?} by {:?}, {} yen",
            placed.id,
            placed.number,
            placed.goods,
            placed.pay,
            placed.total()
        );
        if self.dice.percent(20) {
            let seconds = i64::try_from(self.dice.range(1..=40)).unwrap();
            self.far.shop.hide_from_lists(&placed.id, seconds);
            words = format!("{words}; lists show it {seconds} s late");
        }
        self.log.say("customer", words);
        self.orders.push(placed);
    }

    /// A warehouse reads, answers and ships.
    pub(super) async fn warehouse_works(&mut self) {
        let at = usize::try_from(self.dice.range(0..=1)).unwrap();
        if self.dice.percent(10) {
            self.count(at).await;
        }
        if self.dice.percent(12) {
            let folder = &self.far.warehouses[at].folder;
            // Without a sign of the end a file that grows cannot be told from one that is whole.
            if self.terms.trailer && self.dice.percent(50) {
                folder.write_slowly();
            } else {
                folder.show_late();
            }
            self.counts.faults += 1;
        }
        if self.dice.percent(20) {
            let clumsy = *self.dice.pick(&Clumsy::ALL);
            self.far.warehouses[at].folder.be_clumsy(clumsy);
            self.counts.faults += 1;
            let slug = self.far.warehouses[at].slug;
            self.log.say(slug, format!("its next file is {clumsy:?}"));
        }
        if self.dice.percent(12) {
            let kind = *self
                .dice
                .pick(&[SimFile::Reply, SimFile::Shipped, SimFile::CancelReply]);
            self.far.warehouses[at].sim.deliver_twice(kind);
            self.counts.faults += 1;
        }
        self.tick(at).await;
    }

    pub(super) async fn tick(&mut self, at: usize) {
        let warehouse = &self.far.warehouses[at];
        let slug = warehouse.slug;
        match warehouse.sim.tick(self.warehouse_now(at)).await {
            Ok(told) if told == hikiate_files::sim::SimTick::default() => {}
            Ok(told) => self.log.say(slug, format!("{told:?}")),
            Err(error) => self.violated(format!("{slug} cannot work: {error}")),
        }
    }

    /// A warehouse counts its shelves, sometimes after something came in or went missing.
    pub(super) async fn count(&mut self, at: usize) {
        let change = match self.dice.range(0..=9) {
            0..=3 => i64::try_from(self.dice.range(1..=4)).unwrap(),
            4 => -1,
            _ => 0,
        };
        let code = *self.dice.pick(&ITEMS);
        let (slug, was) = {
            let warehouse = &self.far.warehouses[at];
            let was = warehouse.sim.stock().get(code).copied().unwrap_or(0);
            (warehouse.slug, was)
        };
        if change != 0 && was + change >= 0 {
            self.far.warehouses[at].sim.set_stock(code, was + change);
            if change < 0 {
                self.shrunk.insert((at, code.to_owned()));
            }
        }
        let stock = self.far.warehouses[at].sim.stock();
        self.log.say(slug, format!("counts {stock:?}"));
        let now = self.warehouse_now(at);
        self.counted.push((at, now));
        self.far.warehouses[at].sim.write_stock(now).await.unwrap();
    }

    /// Orders a fault for the next call that it fits.
    pub(super) fn fault(&mut self) {
        let (account, target, faults): (&str, Target, &[Fault]) = match self.dice.range(0..=9) {
            0..=1 => ("shop", Target::Read, &READS),
            2..=4 => ("shop", Target::Write, &WRITES),
            5 => ("tokyo-3pl", Target::Write, &FOLDER_WRITES),
            6 => ("osaka-3pl", Target::Write, &FOLDER_WRITES),
            7 => {
                let account = *self.dice.pick(&["tokyo-3pl", "osaka-3pl", "books"]);
                (account, Target::Read, &FOLDER_READS)
            }
            8 => ("books", Target::Write, &FOLDER_WRITES),
            _ => ("post", Target::Write, &MAILS),
        };
        let fault = *self.dice.pick(faults);
        self.log.say(
            "fault",
            format!("{account}: {fault} at the next {target:?}"),
        );
        self.far.seams[account].inject(target, fault);
    }

    /// A customer or the shop's staff.
    pub(super) async fn somebody_acts(&mut self) {
        let Some(at) = self.some_order() else {
            return;
        };
        let id = self.orders[at].id.clone();
        match self.dice.range(0..=3) {
            0 => {
                let done = self.far.shop.cancel_order(&id);
                self.orders[at].cancelled_there |= done;
                let answer = if done {
                    "cancelled"
                } else {
                    "cannot be cancelled any more"
                };
                self.log.say("customer", format!("{id} {answer}"));
            }
            1 => {
                let seen = self.far.shop.order(&id).unwrap();
                self.staff_capture(at, &seen);
            }
            _ => {
                self.far.shop.touch_order(&id);
                self.log.say("staff", format!("edits a note of {id}"));
            }
        }
    }

    pub(super) fn some_order(&mut self) -> Option<usize> {
        let last = u64::try_from(self.orders.len()).unwrap().checked_sub(1)?;
        let at = usize::try_from(self.dice.range(0..=last)).unwrap();
        (!self.orders[at].undecodable).then_some(at)
    }
}
