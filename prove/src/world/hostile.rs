//! `hikiate-prove hostile`: bytes near the seeds of each parser, read by the daemon's own steps among the orders of a
//! world and stored. Whatever they are, no step fails, what was not understood is kept, no text in the database has
//! control characters, and what comes after them is read.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use chrono::Duration as Span;
use clap::Args;

use super::daemon::Step;
use super::ground::Ground;
use super::terms::ITEMS;
use super::world::World;
use crate::fault::{self, Fault};
use crate::model::Rng;
use crate::parsers::{mutated, named, seeds};

/// Parsers whose bytes an external system chooses and whose words are stored.
pub const PARSERS: [&str; 6] = [
    "medusa_page",
    "medusa_answer",
    "http_error",
    "files_shipments",
    "files_stock",
    "files_names",
];
/// So many inputs meet one database before it is judged whole and emptied.
const INPUTS: u64 = 40;
/// A round ends after so many looks at what is due, whatever is left.
const LOOKS: usize = 40;
/// What the seeds call the shipment that they report on.
const SEEDED: &[u8] = b"HK0123456789ABC-S1";

/// Every column with text of a table that is not raw bytes; a cursor holds file names as they came.
const TEXTS: &str = r"
SELECT c.table_name::text, c.column_name::text, c.data_type = 'jsonb' FROM information_schema.columns c
  JOIN information_schema.tables t ON t.table_schema = c.table_schema AND t.table_name = c.table_name AND t.table_type = 'BASE TABLE'
WHERE c.table_schema = 'public' AND c.data_type IN ('text', 'jsonb') AND c.table_name <> '_sqlx_migrations'
  AND NOT (c.table_name = 'streams' AND c.column_name IN ('cursor', 'ack'))";

/// What to run.
#[derive(Args, Clone, Debug)]
pub struct HostileArgs {
    /// Seconds for each parser.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// One parser and not all of them.
    #[arg(long)]
    pub parser: Option<String>,
    /// The first world's seed; another each time without it.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Puts this fault into hikiate.
    #[arg(long)]
    pub broken: Option<String>,
}

/// What came of the inputs of a parser.
#[derive(Clone, Debug, Default)]
pub struct Stored {
    /// Inputs that were read.
    pub inputs: u64,
    /// Records that were not understood and are kept.
    pub kept: u64,
    /// What must not be, with the seed of its world.
    pub violations: Vec<String>,
}

/// How much is thrown.
#[derive(Clone, Copy, Debug)]
pub enum Effort {
    /// As much as in this time.
    Time(Duration),
    /// In so many worlds, the same inputs on every machine.
    Worlds(u64),
}

/// Throws bytes at one parser, and stops at the first world in which something is wrong.
#[must_use]
pub fn hostile(parser: &'static str, effort: Effort, seed: u64, broken: Option<Fault>) -> Stored {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let seeds = seeds(parser);
    fault::switch(broken);
    let stored = runtime.block_on(async {
        let mut ground = Ground::new(broken.and_then(Fault::statement)).await;
        let mut stored = Stored::default();
        let begun = Instant::now();
        let mut world = seed;
        let goes_on = |world: u64| match effort {
            Effort::Time(budget) => begun.elapsed() < budget,
            Effort::Worlds(most) => world.wrapping_sub(seed) < most,
        };
        while goes_on(world) && stored.violations.is_empty() {
            one_world(
                parser,
                &seeds,
                world,
                &mut ground,
                &mut stored,
                broken.is_none(),
            )
            .await;
            world = world.wrapping_add(1);
        }
        stored
    });
    fault::switch(None);
    stored
}

async fn one_world(
    parser: &'static str,
    seeds: &[Vec<u8>],
    seed: u64,
    ground: &mut Ground,
    stored: &mut Stored,
    shown: bool,
) {
    let mut rng = Rng::new(seed);
    let mut world = World::new(seed, ground).await;
    for daemon in &world.daemons {
        daemon.heard.listen();
    }
    for at in 0..world.far.warehouses.len() {
        world.count(at).await;
    }
    for _ in 0..3 {
        world.place().await;
    }
    world.later(Span::minutes(3)).await;
    world.later(Span::minutes(8)).await;
    for n in 0..INPUTS {
        if n % 4 == 0 {
            // Read honestly first: nobody can find what a well-formed answer leaves out, but by its next change.
            world.place().await;
            world.later(Span::seconds(41)).await;
        }
        let bytes = mutated(seeds, &mut rng, named(parser).most);
        let bytes = world.about_a_shipment(bytes).await;
        world.throw(parser, &bytes, n);
        world.later(Span::seconds(61)).await;
        world.far.mouth.say(None);
        stored.inputs += 1;
        stored.kept += world.all_kept().await;
        if !world.violations.is_empty() {
            world.log.say("input", bytes.escape_ascii().to_string());
            break;
        }
    }
    world.goes_on().await;
    world.texts_are_clean().await;
    let violations = std::mem::take(&mut world.violations);
    if !violations.is_empty() && shown {
        println!("{}", world.log.lines().join("\n"));
    }
    let said = violations
        .into_iter()
        .map(|what| format!("seed {seed}: {what}"));
    stored.violations.extend(said);
    ground.pools = world.pools.clone();
}

impl World {
    /// Later, every stream is looked at and all that is due is done.
    async fn later(&mut self, by: Span) {
        self.advance(by).await;
        sqlx::query("UPDATE streams SET due_at = least(due_at, hk_now())")
            .execute(&self.admin)
            .await
            .unwrap();
        for at in 0..self.daemons.len() {
            self.run(at, Step::Own, false).await;
        }
        for _ in 0..LOOKS {
            let due = self.due().await;
            if due.is_empty() {
                return;
            }
            for step in due {
                let at = self.whose(step);
                self.run(at, step, false).await;
            }
        }
    }

    /// Bytes that speak of a shipment of this world, where there is one.
    async fn about_a_shipment(&self, bytes: Vec<u8>) -> Vec<u8> {
        let newest = "SELECT reference FROM shipments ORDER BY id DESC LIMIT 1";
        let reference: Option<String> = sqlx::query_scalar(newest)
            .fetch_optional(&self.admin)
            .await
            .unwrap();
        let Some(reference) = reference else {
            return bytes;
        };
        let mut about = Vec::with_capacity(bytes.len());
        let mut rest = &bytes[..];
        while let Some(at) = rest.windows(SEEDED.len()).position(|part| part == SEEDED) {
            about.extend_from_slice(&rest[..at]);
            about.extend_from_slice(reference.as_bytes());
            rest = &rest[at + SEEDED.len()..];
        }
        about.extend_from_slice(rest);
        about
    }

    /// Puts bytes where the parser's external system would put them. The first is the choice that the seeds begin with.
    fn throw(&self, parser: &str, bytes: &[u8], n: u64) {
        let (choice, body) = bytes.split_first().unwrap_or((&0, &[]));
        let statuses = [200, 201, 400, 404, 409, 422, 429, 500];
        let folder = self.far.warehouses[0].folder().unwrap();
        match parser {
            "medusa_page" => self.far.mouth.say(Some((200, body.to_vec()))),
            "medusa_answer" => {
                let status = statuses[usize::from(choice % 8)];
                self.far.mouth.say(Some((status, body.to_vec())));
            }
            "http_error" => {
                let status = 200 + u16::from(*choice) * 2;
                self.far.mouth.say(Some((status, body.to_vec())));
            }
            "files_shipments" => {
                let kinds = ["uketsuke", "jisseki", "torikeshi"];
                let kind = kinds[usize::from(choice / 6 % 3)];
                folder.leave(&format!("{kind}-h{n}.csv"), body);
            }
            "files_stock" => folder.leave(&format!("zaiko-h{n}.csv"), body),
            _ => {
                let text = String::from_utf8_lossy(bytes);
                // What the real folders do not show: no file can have such a name, or it would lie elsewhere.
                let possible = |name: &&str| !name.contains(['/', '\\', '\0']);
                for name in text.split('\n').filter(possible).take(20) {
                    folder.leave(name, b"x\r\n");
                }
            }
        }
    }

    /// Each record that a page called bad is in the quarantine, whole; how many there were.
    async fn all_kept(&mut self) -> u64 {
        let heard: Vec<_> = self
            .daemons
            .iter()
            .flat_map(|daemon| daemon.heard.take())
            .collect();
        let mut kept = 0;
        for (stream, raw) in heard {
            let there: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM quarantine WHERE stream = $1 AND raw = $2)",
            )
            .bind(&stream)
            .bind(&raw)
            .fetch_one(&self.admin)
            .await
            .unwrap();
            if !there {
                let raw = raw.escape_ascii();
                self.violated(format!("a bad record of {stream} is not kept: {raw}"));
            }
            kept += 1;
        }
        kept
    }

    /// What comes after the bytes is read: an order placed now, a count made now, and no stream fails.
    async fn goes_on(&mut self) {
        self.later(Span::minutes(11)).await;
        self.count(0).await;
        self.place().await;
        self.later(Span::minutes(11)).await;
        self.later(Span::minutes(11)).await;
        let failing: Vec<(String, String)> = sqlx::query_as(
            "SELECT a.slug || ' ' || s.name, coalesce(s.error, '') FROM streams s JOIN accounts a ON a.id = s.account_id WHERE s.fails > 0",
        )
        .fetch_all(&self.admin)
        .await
        .unwrap();
        for (stream, error) in failing {
            self.violated(format!("{stream} fails for ever: {error}"));
        }
        for placed in self.orders.clone() {
            let known: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM subjects WHERE external_id = $1 AND origin = 'live')
                     OR EXISTS (SELECT FROM quarantine WHERE external_id = $1 AND resolved_at IS NULL)",
            )
            .bind(&placed.id)
            .fetch_one(&self.admin)
            .await
            .unwrap();
            if !known {
                self.violated(format!("{} was never read", placed.id));
            }
        }
        let shelf = self.far.warehouses[0].stock();
        for code in ITEMS {
            let counted: Option<i64> = sqlx::query_scalar(
                "SELECT s.counted_qty::bigint FROM stock s JOIN locations l ON l.id = s.location_id JOIN accounts a ON a.id = l.account_id
                 WHERE a.slug = $1 AND s.code = $2 AND s.bucket = 'sellable'",
            )
            .bind(&self.far.warehouses[0].slug)
            .bind(code)
            .fetch_optional(&self.admin)
            .await
            .unwrap();
            let there = shelf.get(code).copied();
            if counted != there {
                self.violated(format!("{code} was counted as {there:?}, not {counted:?}"));
            }
        }
    }

    /// No text that anything shows has control characters in it.
    async fn texts_are_clean(&mut self) {
        let columns: Vec<(String, String, bool)> =
            sqlx::query_as(TEXTS).fetch_all(&self.admin).await.unwrap();
        for (table, column, json) in columns {
            let dirty = if json {
                r"\\u00(0[0-8bcef]|1[0-9a-f])|[\u007f-\u009f]"
            } else {
                r"[\u0001-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]"
            };
            let sql =
                format!("SELECT {column}::text FROM {table} WHERE {column}::text ~ $1 LIMIT 1");
            let found: Option<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
                .bind(dirty)
                .fetch_optional(&self.admin)
                .await
                .unwrap();
            if let Some(found) = found {
                let found: String = found.chars().take(400).collect();
                self.violated(format!(
                    "{table}.{column} has a control character: {found:?}"
                ));
            }
        }
    }
}

/// The command.
#[must_use]
pub fn run_hostile(args: &HostileArgs) -> ExitCode {
    let (mut inputs, mut kept, mut violations) = (0, 0, 0);
    let broken = match args.broken.as_deref().map(Fault::named).transpose() {
        Ok(broken) => broken,
        Err(message) => {
            println!("{message}");
            return ExitCode::from(2);
        }
    };
    let chosen = |parser: &&&str| args.parser.as_deref().is_none_or(|name| name == **parser);
    let parsers: Vec<&&'static str> = PARSERS.iter().filter(chosen).collect();
    if parsers.is_empty() {
        println!("hostile: unknown parser; available: {}", PARSERS.join(", "));
        return ExitCode::from(2);
    }
    for parser in parsers {
        let seed = args.seed.unwrap_or_else(|| {
            std::time::UNIX_EPOCH
                .elapsed()
                .map_or(1, |since| since.as_secs())
        });
        let stored = hostile(
            parser,
            Effort::Time(Duration::from_secs(args.seconds)),
            seed,
            broken,
        );
        println!(
            "{parser}: seed={seed} inputs={} kept={}",
            stored.inputs, stored.kept
        );
        for what in &stored.violations {
            println!("{parser}: {what}");
        }
        inputs += stored.inputs;
        kept += stored.kept;
        violations += stored.violations.len();
    }
    println!("hostile: inputs={inputs} kept={kept} violations={violations}");
    ExitCode::from(u8::from(violations > 0))
}
