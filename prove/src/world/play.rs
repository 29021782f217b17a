//! The active phase: in an order drawn from the seed, daemons take steps, customers, staff, warehouses and
//! operators act, faults are put in place, and processes die.

use chrono::Duration;
use hikiate_files::sim::SimFile;
use hikiate_sdk::faulty::Fault;

use super::clumsy::Clumsy;
use super::daemon::{Ended, Step, drive};
use super::orders::{self, Placed};
use super::terms::ITEMS;
use super::world::World;

impl World {
    /// Everything that happens while things go wrong.
    pub(super) async fn play(&mut self) {
        for at in 0..self.far.warehouses.len() {
            self.count(at).await;
        }
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
        self.far.catch_up();
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
        let last = u64::try_from(self.far.shops.len() - 1).unwrap();
        let at = usize::try_from(self.dice.range(0..=last)).unwrap();
        let shop = self.far.shops[at].clone();
        let (new, placed) = orders::draw(&mut self.dice, self.orders.len());
        if self.dice.percent(5) {
            let id = shop.place_undecodable(&new);
            let placed = Placed {
                undecodable: true,
                ..placed.named(at, shop.account, id)
            };
            self.log
                .say("customer", format!("{} cannot be fetched", placed.name()));
            self.orders.push(placed);
            return;
        }
        let placed = placed.named(at, shop.account, shop.place(&new));
        let mut words = format!(
            "orders {} ({}) {:?} by {:?}, {} yen",
            placed.name(),
            placed.number,
            placed.goods,
            placed.pay,
            placed.total()
        );
        if self.dice.percent(20) {
            let seconds = i64::try_from(self.dice.range(1..=40)).unwrap();
            shop.hide_from_lists(&placed.id, seconds);
            words = format!("{words}; lists show it {seconds} s late");
        }
        self.log.say("customer", words);
        self.orders.push(placed);
    }

    /// One of the warehouses.
    pub(super) fn some_warehouse(&mut self) -> usize {
        let last = u64::try_from(self.far.warehouses.len() - 1).unwrap();
        usize::try_from(self.dice.range(0..=last)).unwrap()
    }

    /// A warehouse reads, answers and ships.
    pub(super) async fn warehouse_works(&mut self) {
        let at = self.some_warehouse();
        if self.dice.percent(10) {
            self.count(at).await;
        }
        if self.far.warehouses[at].files().is_some() {
            self.files_go_wrong(at);
        }
        self.tick(at).await;
    }

    /// Its next files come late, half written, twice, or as people make them.
    fn files_go_wrong(&mut self, at: usize) {
        let warehouse = &self.far.warehouses[at];
        let (Some(sim), Some(folder)) = (warehouse.files(), warehouse.folder()) else {
            return;
        };
        if self.dice.percent(12) {
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
            folder.be_clumsy(clumsy);
            self.counts.faults += 1;
            self.log
                .say(&warehouse.slug, format!("its next file is {clumsy:?}"));
        }
        if self.dice.percent(12) {
            let kind = *self
                .dice
                .pick(&[SimFile::Reply, SimFile::Shipped, SimFile::CancelReply]);
            sim.deliver_twice(kind);
            self.counts.faults += 1;
        }
    }

    pub(super) async fn tick(&mut self, at: usize) {
        self.far.catch_up();
        let warehouse = &self.far.warehouses[at];
        match warehouse.tick(self.warehouse_now(at)).await {
            Ok(told) if told.is_empty() => {}
            Ok(told) => self.log.say(&warehouse.slug, told),
            Err(error) => {
                let what = format!("{} cannot work: {error}", warehouse.slug);
                self.violated(what);
            }
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
        let warehouse = &self.far.warehouses[at];
        let was = warehouse.stock().get(code).copied().unwrap_or(0);
        if change != 0 && was + change >= 0 {
            warehouse.set_stock(code, was + change);
            if change < 0 {
                self.shrunk.insert((at, code.to_owned()));
            }
        }
        let warehouse = &self.far.warehouses[at];
        let stock = warehouse.stock();
        self.log.say(&warehouse.slug, format!("counts {stock:?}"));
        let now = self.warehouse_now(at);
        self.counted.push((at, now));
        self.far.warehouses[at].write_stock(now).await;
    }

    /// Orders a fault for the next call that it fits.
    pub(super) fn fault(&mut self) {
        let weak = self.far.weak_points();
        let (account, target, faults) = self.dice.pick(&weak).clone();
        let fault = *self.dice.pick(faults);
        let times = match fault {
            Fault::Swallowed => *self.dice.pick(&[1, 1, 2, 3]),
            _ => 1,
        };
        self.log.say(
            "fault",
            format!("{account}: {fault} at the next {times} {target:?}"),
        );
        for _ in 0..times {
            self.far.seams[&account].inject(target, fault);
        }
    }

    /// A customer or the shop's staff.
    pub(super) async fn somebody_acts(&mut self) {
        self.far.catch_up();
        let Some(at) = self.some_order() else {
            return;
        };
        let (shop, id) = (self.shop_of(at), self.orders[at].id.clone());
        match self.dice.range(0..=3) {
            0 => {
                let done = shop.cancel(&id);
                self.orders[at].cancelled_there |= done;
                let answer = if done {
                    "cancelled"
                } else {
                    "cannot be cancelled any more"
                };
                self.log.say("customer", format!("{id} {answer}"));
            }
            1 => {
                let seen = self.seen(at);
                self.staff_capture(at, &seen);
            }
            _ => {
                shop.touch(&id);
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
