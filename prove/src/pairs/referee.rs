//! Plays one interleaving: holds every statement of both sessions until it is its turn, and asks the server
//! who waits for whom.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgConnection;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::deed::Deed;
use super::footprint::{Footprint, Kind, Tables};
use super::record::{How, Record, Step};
use super::schedule::{Choice, Tree};
use super::seat::{Event, Seat, deadlock_looked_for};
use super::state::Given;
use crate::wire::{Go, TxState};

/// Longer than any step takes.
const BOUND: Duration = Duration::from_secs(120);
/// A statement that takes longer is asked after.
const SLOW: Duration = Duration::from_millis(3);

#[derive(Debug)]
enum Standing {
    /// The program works.
    Thinking,
    /// It wants to say something.
    Held(oneshot::Sender<Go>),
    /// The server works.
    Running,
    /// The server waits for the other session.
    Waiting,
    Over,
}

/// A connection of a session: a plan holds one transaction and notes something beside it.
#[derive(Debug)]
struct Line {
    tx: TxState,
    held: Footprint,
    keeps: bool,
    fresh: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            tx: TxState::Idle,
            held: Footprint::default(),
            keeps: false,
            fresh: false,
        }
    }
}

/// A statement that came while another of its session was held or under way.
#[derive(Debug)]
struct Later {
    pid: i32,
    sql: String,
    go: oneshot::Sender<Go>,
}

#[derive(Debug)]
struct Side {
    standing: Standing,
    /// Of the statement held or under way.
    pid: i32,
    sql: String,
    print: Footprint,
    /// Where in the record and in the tree it is.
    step: usize,
    depth: usize,
    lines: BTreeMap<i32, Line>,
    later: VecDeque<Later>,
    returned: bool,
}

impl Side {
    fn new() -> Self {
        Self {
            standing: Standing::Thinking,
            pid: 0,
            sql: String::new(),
            print: Footprint::default(),
            step: 0,
            depth: 0,
            lines: BTreeMap::new(),
            later: VecDeque::new(),
            returned: false,
        }
    }

    /// Whether a transaction of it is open.
    fn open(&self) -> bool {
        self.lines.values().any(|line| line.tx != TxState::Idle)
    }

    fn line(&mut self) -> &mut Line {
        self.lines.entry(self.pid).or_default()
    }

    /// What its next step touches, where it stands now.
    fn next(&mut self, tables: &Tables) -> Footprint {
        let sql = self.sql.clone();
        let line = self.line();
        match Kind::of(&sql) {
            Kind::Begin(_) => Footprint::default(),
            Kind::End => Footprint::ending(&line.held),
            Kind::Work => {
                let mut print = tables.of_statement(&sql);
                if line.tx == TxState::Idle {
                    return print.alone();
                }
                if line.keeps {
                    print.reads = if line.fresh {
                        tables.all()
                    } else {
                        Default::default()
                    };
                }
                print
            }
        }
    }
}

/// Watches over two sessions.
pub(super) struct Referee {
    pub(super) events: UnboundedReceiver<Event>,
    pub(super) sender: UnboundedSender<Event>,
    pub(super) control: PgConnection,
    pub(super) tables: Tables,
}

impl Referee {
    /// Lets two deeds run as the tree says.
    pub(super) async fn play(
        &mut self,
        seats: &[Seat; 2],
        deeds: [Deed; 2],
        given: &Arc<Given>,
        tree: &mut Tree,
    ) -> Record {
        let mut record = Record::default();
        let mut sides = [Side::new(), Side::new()];
        for who in 0..2 {
            seats[who].hold(true);
            let (engine, given) = (Arc::clone(&seats[who].engine), Arc::clone(given));
            let work = tokio::spawn(async move { deeds[who].run(&engine, &given).await });
            let sender = self.sender.clone();
            tokio::spawn(async move {
                let result = work
                    .await
                    .unwrap_or_else(|error| Err(format!("panicked: {error}")));
                sender.send(Event::Returned { who, result }).ok();
            });
        }
        let mut depth = 0;
        loop {
            self.rest(&mut sides, &mut record, tree).await;
            let held = sides.each_mut().map(|side| {
                matches!(side.standing, Standing::Held(_)).then(|| side.next(&self.tables))
            });
            if held.iter().all(Option::is_none) {
                break;
            }
            let who = if record.redundant {
                usize::from(held[0].is_none())
            } else {
                let open = sides.each_ref().map(Side::open);
                match tree.choose(depth, held.clone(), open) {
                    Choice::Go(who) => who,
                    Choice::Redundant => {
                        record.redundant = true;
                        continue;
                    }
                }
            };
            let side = &mut sides[who];
            if let Standing::Held(go) = std::mem::replace(&mut side.standing, Standing::Running) {
                go.send(Go::On).ok();
            }
            side.print = held[who].clone().unwrap_or_default();
            side.step = record.steps.len();
            side.depth = depth;
            record.steps.push(Step {
                who,
                sql: side.sql.clone(),
                how: How::Ran,
            });
            depth += 1;
        }
        for seat in seats {
            seat.hold(false);
        }
        record
    }

    /// Waits until nothing moves by itself.
    async fn rest(&mut self, sides: &mut [Side; 2], record: &mut Record, tree: &mut Tree) {
        let begun = Instant::now();
        loop {
            let moving =
                |side: &Side| matches!(side.standing, Standing::Thinking | Standing::Running);
            let waiting = |side: &Side| matches!(side.standing, Standing::Waiting);
            let held = |side: &Side| matches!(side.standing, Standing::Held(_));
            let any = sides.iter().any(moving);
            // Two that wait for each other, or one for a session that is over, come through by themselves.
            let stuck = sides.iter().any(waiting) && !sides.iter().any(held);
            if !any && !stuck {
                return;
            }
            assert!(
                begun.elapsed() < BOUND,
                "nothing moves:\n{}\n{sides:?}",
                record.told(["A", "B"])
            );
            match timeout(SLOW, self.events.recv()).await {
                Ok(Some(event)) => self.take(event, sides, record, tree),
                Ok(None) => return,
                Err(_) => {
                    for who in 0..2 {
                        if matches!(sides[who].standing, Standing::Running)
                            && self.waits(&sides[who], &sides[1 - who]).await
                        {
                            sides[who].standing = Standing::Waiting;
                            if let Some(step) = record.steps.get_mut(sides[who].step) {
                                step.how = How::Waited;
                            }
                            // So that of two in a deadlock always the later finds it.
                            sleep(deadlock_looked_for()).await;
                        }
                    }
                }
            }
        }
    }

    fn take(&self, event: Event, sides: &mut [Side; 2], record: &mut Record, tree: &mut Tree) {
        match event {
            Event::Held { who, pid, sql, go } => {
                sides[who].later.push_back(Later { pid, sql, go });
            }
            Event::Answered { who, answer } => {
                let latest = sides[who].depth.max(sides[1 - who].depth);
                let side = &mut sides[who];
                if matches!(side.standing, Standing::Waiting) {
                    tree.freed(latest, who);
                }
                let (kind, print, depth) = (Kind::of(&side.sql), side.print.clone(), side.depth);
                if let Some(code) = answer.error {
                    record.deadlocks += usize::from(code == "40P01");
                    tree.failed(depth, &side.line().held);
                    if let Some(step) = record.steps.get_mut(side.step) {
                        step.how = How::Failed(code);
                    }
                }
                let line = side.line();
                match kind {
                    Kind::Begin(keeps) => (line.keeps, line.fresh) = (keeps, true),
                    _ => line.fresh = false,
                }
                if answer.state == TxState::Open {
                    line.held.hold(&print);
                } else {
                    line.held = Footprint::default();
                }
                line.tx = answer.state;
                side.standing = Standing::Thinking;
                let other = &mut sides[1 - who];
                if answer.state != TxState::Open && matches!(other.standing, Standing::Waiting) {
                    other.standing = Standing::Running;
                    tree.freed(latest, 1 - who);
                }
            }
            Event::Returned { who, result } => {
                sides[who].returned = true;
                record.results[who] = Some(result);
            }
        }
        for side in sides {
            if !matches!(side.standing, Standing::Thinking) {
                continue;
            }
            if let Some(next) = side.later.pop_front() {
                (side.pid, side.sql) = (next.pid, next.sql);
                side.standing = Standing::Held(next.go);
            } else if side.returned && !side.open() {
                side.standing = Standing::Over;
            }
        }
    }

    /// Whether one session waits for a lock of the other.
    async fn waits(&mut self, one: &Side, other: &Side) -> bool {
        let others: Vec<i32> = other.lines.keys().copied().collect();
        sqlx::query_scalar("SELECT $2 && pg_blocking_pids($1)")
            .bind(one.pid)
            .bind(others)
            .fetch_one(&mut self.control)
            .await
            .unwrap()
    }
}
