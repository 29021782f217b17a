//! One pair on one database: every interleaving from the same state, each judged by what a serial database
//! would have come to.

use std::collections::BTreeSet;

use sqlx::Connection as _;
use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::Mutex;
use tokio::sync::mpsc::unbounded_channel;

use super::breakage::Breakage;
use super::deed::{Deed, KEEP};
use super::explore::Mode;
use super::footprint::Tables;
use super::invariants::{difference, dump, sent_and_taken_back, wrong};
use super::record::Record;
use super::referee::Referee;
use super::schedule::Tree;
use super::seat::Seat;
use super::state::{Morning, Mornings};
use crate::support::shop::Shop;

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The pair.
    pub pair: [Deed; 2],
    /// How thoroughly.
    pub mode: Mode,
    /// One interleaving only, by its letters.
    pub schedule: Option<String>,
    /// No more interleavings than this.
    pub most: usize,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            pair: [Deed::Plan, Deed::Cancel],
            mode: Mode::Reduced,
            schedule: None,
            most: 5_000,
        }
    }
}

/// An interleaving with which something is wrong.
#[derive(Clone, Debug)]
pub struct Found {
    /// The schedule and what is wrong, readable.
    pub told: String,
    /// The command that plays it again.
    pub command: String,
}

/// What came of a pair.
#[derive(Clone, Debug)]
pub struct PairDone {
    /// The pair.
    pub pair: [Deed; 2],
    /// Interleavings that were played and judged.
    pub interleavings: usize,
    /// Those that turned out to be known with steps swapped that cannot meet.
    pub redundant: usize,
    /// Distinct ends.
    pub ends: usize,
    /// Deadlocks that the server broke.
    pub deadlocks: usize,
    /// Times a repeated beginning went otherwise.
    pub diverged: usize,
    /// There were more than the most.
    pub cut: bool,
    /// The first wrong one.
    pub found: Option<Found>,
    /// The last interleaving, readable.
    pub last: String,
}

/// A database with its prepared states and two seats.
pub struct Bench {
    shop: Shop,
    mornings: Mornings,
    /// Unbroken seats, and those in use.
    honest: [Seat; 2],
    seats: [Seat; 2],
    referee: Mutex<Referee>,
    broken: Option<&'static Breakage>,
}

/// Everything that may come out of a pair: the end, and what the deeds said.
type Ends = BTreeSet<Vec<String>>;

impl Bench {
    /// A database of its own, prepared; a fault in the seats, if any.
    pub async fn open(broken: Option<&'static Breakage>) -> Self {
        let shop = Shop::open().await;
        let server: PgConnectOptions = shop.db.url.parse().unwrap();
        if let Some(broken) = broken.filter(|b| !b.schema.is_empty()) {
            sqlx::raw_sql(broken.schema)
                .execute(shop.pool())
                .await
                .unwrap();
        }
        let mornings = Mornings::make(&shop).await;
        let (sender, events) = unbounded_channel();
        let seat =
            |who: usize, broken| Seat::take(who, &shop.engine, &server, sender.clone(), broken);
        let honest = [seat(0, None), seat(1, None)];
        let seats = [seat(0, broken), seat(1, broken)];
        let referee = Referee {
            events,
            sender,
            control: PgConnection::connect_with(&server).await.unwrap(),
            tables: Tables::of(shop.pool()).await,
        };
        Self {
            shop,
            mornings,
            honest,
            seats,
            referee: Mutex::new(referee),
            broken,
        }
    }

    fn morning(&self, pair: [Deed; 2]) -> &Morning {
        if !pair.contains(&Deed::Withdraw) {
            &self.mornings.plain
        } else if pair.contains(&Deed::Acknowledge) {
            &self.mornings.leased
        } else {
            &self.mornings.withdrawn
        }
    }

    /// Plays interleavings of a pair until one is wrong or there are no more.
    pub async fn try_pair(&self, setting: &Setting) -> PairDone {
        let pair = setting.pair;
        let mut serial = self.serial(pair).await;
        let mut all_serial = false;
        let mut rested: BTreeSet<Vec<String>> = BTreeSet::new();
        let mut tree = match &setting.schedule {
            Some(letters) => Tree::fixed(letters),
            None => Tree::new(setting.mode),
        };
        let mut done = PairDone {
            pair,
            interleavings: 0,
            redundant: 0,
            ends: 0,
            deadlocks: 0,
            diverged: 0,
            cut: false,
            found: None,
            last: String::new(),
        };
        loop {
            let record = self.play(&self.seats, pair, &mut tree).await;
            if record.redundant {
                done.redundant += 1;
            } else {
                done.interleavings += 1;
                done.deadlocks += record.deadlocks;
                done.last = record.told(pair.map(Deed::word));
                let mut wrong = self.judge(&record, pair, &serial, &mut rested).await;
                if matches!(wrong, Some(Wrong::NotSerial(_))) && !all_serial {
                    // Deeds of several transactions may be taken apart between them.
                    serial.extend(self.taken_apart(pair).await);
                    all_serial = true;
                    let end = match &wrong {
                        Some(Wrong::NotSerial(end)) => end.clone(),
                        _ => Vec::new(),
                    };
                    if serial.contains(&end) {
                        wrong = None;
                    }
                }
                if let Some(wrong) = wrong {
                    let told = format!("{}{}", done.last, wrong.told(&serial));
                    let command = self.command(pair, &record);
                    done.found = Some(Found { told, command });
                    break;
                }
            }
            if setting.schedule.is_some() || !tree.advance() {
                break;
            }
            if done.interleavings + done.redundant >= setting.most {
                done.cut = true;
                break;
            }
        }
        done.ends = rested.len();
        done.diverged = tree.diverged;
        done
    }

    fn command(&self, pair: [Deed; 2], record: &Record) -> String {
        let broken = self
            .broken
            .map(|b| format!(" --broken {}", b.word))
            .unwrap_or_default();
        format!(
            "scripts/with-postgres.sh cargo run -p hikiate-prove -- pairs --pair {}/{}{broken} --schedule {}",
            pair[0].word(),
            pair[1].word(),
            record.schedule()
        )
    }

    async fn play(&self, seats: &[Seat; 2], pair: [Deed; 2], tree: &mut Tree) -> Record {
        let morning = self.morning(pair);
        morning.shelf.take(self.shop.pool()).await;
        let mut referee = self.referee.lock().await;
        referee.play(seats, pair, &morning.given, tree).await
    }

    /// What comes out when one deed is done after the other.
    async fn serial(&self, pair: [Deed; 2]) -> Ends {
        let mut ends = Ends::new();
        for letters in ["A", "B"] {
            let mut tree = Tree::fixed(&letters.repeat(1_000));
            let record = self.play(&self.honest, pair, &mut tree).await;
            ends.insert(self.end(pair, &record).await);
        }
        ends
    }

    /// What comes out when transactions follow one another in any order.
    async fn taken_apart(&self, pair: [Deed; 2]) -> Ends {
        let mut ends = Ends::new();
        let mut tree = Tree::new(Mode::Atomic);
        for _ in 0..300 {
            let record = self.play(&self.honest, pair, &mut tree).await;
            ends.insert(self.end(pair, &record).await);
            if !tree.advance() {
                break;
            }
        }
        ends
    }

    /// The end of a history: everything that is there once nothing is due any more. Where an order must
    /// not be passed over, also what was planned at once.
    async fn end(&self, pair: [Deed; 2], record: &Record) -> Vec<String> {
        // What somebody else held was passed over; the next round takes it.
        if pair.contains(&Deed::Purge) {
            self.shop.store().purge(&KEEP).await.unwrap();
        }
        self.shop.settle().await;
        let mut end = dump(self.shop.pool()).await;
        for (deed, result) in pair.iter().zip(&record.results) {
            if pair.contains(&Deed::Mention) {
                end.push(format!("said {}: {result:?}", deed.word()));
            }
        }
        end
    }

    async fn judge(
        &self,
        record: &Record,
        pair: [Deed; 2],
        serial: &Ends,
        rested: &mut BTreeSet<Vec<String>>,
    ) -> Option<Wrong> {
        for (deed, result) in pair.iter().zip(&record.results) {
            if let Some(Err(error)) = result {
                return Some(Wrong::Says(format!("{} failed: {error}", deed.word())));
            }
        }
        if record.deadlocks > 0 {
            return Some(Wrong::Says(
                "a deadlock: the order of locks is not kept".to_owned(),
            ));
        }
        if let Some(what) = wrong(self.shop.pool(), false).await {
            return Some(Wrong::Says(what));
        }
        for result in record.results.iter().flatten().flatten() {
            if let Some(what) = sent_and_taken_back(self.shop.pool(), result).await {
                return Some(Wrong::Says(what));
            }
        }
        let end = self.end(pair, record).await;
        if rested.contains(&end) {
            return None;
        }
        if let Some(what) = wrong(self.shop.pool(), true).await {
            return Some(Wrong::Says(what));
        }
        if !serial.contains(&end) {
            return Some(Wrong::NotSerial(end));
        }
        // Planned once more from all facts, nothing changes: nobody sleeps over new input.
        self.wake().await;
        let again = self.end(pair, record).await;
        if again != end {
            let difference = difference(&again, &end);
            return Some(Wrong::Says(format!(
                "planned again, it is different:\n{difference}"
            )));
        }
        rested.insert(end);
        None
    }

    async fn wake(&self) {
        sqlx::raw_sql(
            "UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 0 WHERE kind = 'order';
             INSERT INTO allocation_requests (item_id) SELECT id FROM items",
        )
        .execute(self.shop.pool())
        .await
        .unwrap();
    }
}

enum Wrong {
    Says(String),
    NotSerial(Vec<String>),
}

impl Wrong {
    fn told(&self, serial: &Ends) -> String {
        match self {
            Self::Says(what) => format!("  wrong: {what}"),
            Self::NotSerial(end) => {
                let nearest = serial
                    .iter()
                    .min_by_key(|s| difference(end, s).lines().count());
                let difference = nearest.map(|s| difference(end, s)).unwrap_or_default();
                format!(
                    "  wrong: no serial order of the transactions gives this result (+ is here, - in the nearest of {}):\n{difference}",
                    serial.len()
                )
            }
        }
    }
}
