//! What the claims cost over 300,000 rows, of which none, 1 % or 90 % are due: each reads its index
//! and touches at most 200 buffers for 100 rows. The statements are the ones in `.sqlx`, so what is
//! explained is what runs; both the plan for these values and the one for any values are looked at,
//! because a long-lived connection may get either.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::support::db;

/// Claims take what production takes at once. A row that is locked on a page that VACUUM has found
/// all-visible costs one look at the visibility map more (100 rows: 142 buffers become 242), so batches
/// are sized to stay below this there too.
const BUDGET: u64 = 200;

/// How many of 300,000 rows are due; these are the last ones written, as they would be.
const SHARES: [Share; 3] = [
    Share {
        name: "none",
        due: 0,
    },
    Share {
        name: "1 %",
        due: 3_000,
    },
    Share {
        name: "90 %",
        due: 270_000,
    },
];

#[derive(Clone, Copy)]
struct Share {
    name: &'static str,
    due: u32,
}

/// A statement of the program, and how it is asked.
struct Claim {
    /// Words that only this statement has.
    marker: &'static str,
    /// The claim inside a larger statement: what stands between these.
    inside: Option<(&'static str, &'static str)>,
    /// Values of its parameters.
    values: &'static str,
    table: &'static str,
    index: &'static str,
    /// Rows it gives when nothing is due.
    none: u64,
    /// Rows it gives when enough are due.
    full: u64,
    /// Every row there is is due: a short table may as well be read whole.
    all_due: bool,
}

/// The one query of the program that has these words.
fn production(marker: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(".sqlx");
    let queries = fs::read_dir(folder).unwrap().map(|entry| {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let stored: Value = serde_json::from_str(&text).unwrap();
        stored["query"].as_str().unwrap().to_owned()
    });
    let found: Vec<String> = queries.filter(|query| query.contains(marker)).collect();
    assert_eq!(found.len(), 1, "queries with {marker:?}: {found:#?}");
    found.into_iter().next().unwrap()
}

impl Claim {
    fn sql(&self) -> String {
        let whole = production(self.marker);
        let Some((from, to)) = self.inside else {
            return whole;
        };
        let start = whole.find(from).unwrap() + from.len();
        let end = whole[start..].find(to).unwrap() + start;
        whole[start..end].to_owned()
    }

    async fn explain(&self, connection: &mut PgConnection) -> Value {
        run(connection, "BEGIN").await;
        let values = match self.values {
            "" => String::new(),
            values => format!("({values})"),
        };
        let sql =
            format!("EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE claim {values}");
        let plan: Value = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        run(connection, "ROLLBACK").await;
        plan[0]["Plan"].clone()
    }

    fn judge(&self, plan: &Value, share: Share, mode: &str, budget: u64) {
        let buffers = number(plan, "Shared Hit Blocks") + number(plan, "Shared Read Blocks");
        let rows = number(plan, "Actual Rows");
        let said = format!("{} due, {mode}: {buffers} buffers\n{plan:#}", share.name);
        println!(
            "{}: {} due, {mode}: {rows} rows, {buffers} buffers",
            self.index, share.name
        );
        let expected = if share.due == 0 { self.none } else { self.full };
        assert_eq!(rows, expected, "{said}");
        assert!(buffers <= budget, "{said}");
        if self.all_due {
            return;
        }
        let mut nodes = Vec::new();
        walk(plan, &mut nodes);
        // What was not needed was not read.
        nodes.retain(|node| number(node, "Actual Loops") > 0);
        let whole = |n: &&&Value| n["Node Type"] == "Seq Scan" && n["Relation Name"] == self.table;
        assert!(!nodes.iter().any(|node| whole(&node)), "{said}");
        let others = [
            self.index,
            "accounts_pkey",
            "reads_due",
            "streams_pkey",
            "read_failures_pkey",
            "subjects_pkey",
            "account_pauses_pkey",
            "shipping_stops_standing",
            "subjects_failing",
            "subjects_first",
            "shipments_waiting",
            "batches_open",
            "batches_due",
            "batches_location",
            "schedules_one",
            "locations_pkey",
            "batches_pkey",
            "quarantine_retry",
            "shipments_batch_id_row_no_key",
            "effects_one",
        ];
        let mut used = nodes
            .iter()
            .filter_map(|node| node["Index Name"].as_str())
            .peekable();
        assert!(used.clone().any(|index| index == self.index), "{said}");
        assert!(used.all(|index| others.contains(&index)), "{said}");
    }
}

/// Explains claims over a table filled by `fill`, which takes the number of due rows as `{due}` and may
/// have a `--vacuum` where it has deleted everything.
async fn check(table: &str, fill: &str, claims: &[Claim]) {
    for share in SHARES {
        let db = db().await;
        let mut connection = PgConnection::connect(&db.url).await.unwrap();
        // The claims are asked as by a program of this level.
        run(&mut connection, "UPDATE gate SET min_code = 1").await;
        // Parents are not needed to see what a claim reads.
        run(&mut connection, "SET session_replication_role = replica").await;
        run(
            &mut connection,
            &format!("ALTER TABLE {table} SET (autovacuum_enabled = false)"),
        )
        .await;
        let fill = fill.replace("{due}", &share.due.to_string());
        for (n, part) in fill.split("--vacuum").enumerate() {
            if n > 0 {
                empty(&mut connection, table).await;
            }
            run(&mut connection, part).await;
        }
        run(&mut connection, &format!("ANALYZE {table}")).await;
        judge_all(&mut connection, claims, share, BUDGET).await;
        run(&mut connection, &format!("VACUUM (ANALYZE) {table}")).await;
        judge_all(&mut connection, claims, share, BUDGET).await;
    }
}

/// Vacuums a table whose rows are all deleted until it has no page left: a session that is just starting
/// may still count as one that could see them.
async fn empty(connection: &mut PgConnection, table: &str) {
    for _ in 0..50 {
        run(connection, &format!("VACUUM {table}")).await;
        let size: i64 = sqlx::query_scalar("SELECT pg_relation_size($1::regclass)")
            .bind(table)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        if size == 0 {
            return;
        }
    }
    panic!("{table} can not be emptied");
}

async fn judge_all(connection: &mut PgConnection, claims: &[Claim], share: Share, budget: u64) {
    for claim in claims {
        run(connection, &format!("PREPARE claim AS {}", claim.sql())).await;
        for mode in ["force_custom_plan", "force_generic_plan"] {
            run(connection, &format!("SET plan_cache_mode = {mode}")).await;
            // The first time also reads the catalogue.
            claim.explain(connection).await;
            let plan = claim.explain(connection).await;
            claim.judge(&plan, share, mode, budget);
        }
        run(connection, "DEALLOCATE claim").await;
    }
}

fn number(node: &Value, key: &str) -> u64 {
    node[key].as_u64().unwrap()
}

fn walk<'a>(node: &'a Value, into: &mut Vec<&'a Value>) {
    into.push(node);
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, into);
    }
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .unwrap();
}

/// An owned account, and rows in the order they came: due times rise with the row, within seconds.
const ACCOUNTS: &str = "
    INSERT INTO accounts (slug, connector, owner, lease_until, lease_token)
      SELECT 'a' || i, 'x', 'me', now() + interval '1 day', 7 FROM generate_series(1, 10) i;";

fn with_accounts(fill: &str) -> String {
    format!("{ACCOUNTS}{fill}")
}

/// Orders and, one in a hundred, batches; half of what is not due has a time to come.
const SUBJECTS: &str = "
    UPDATE gate SET policy_id = 1;
    INSERT INTO subjects (kind, account_id, external_id, number, created_at, plan_class, plan_at)
      SELECT CASE WHEN i % 100 = 0 THEN 'batch' ELSE 'order' END, 1 + i % 10, 'e' || i, 'N' || i, now(), i % 3, t.at
      FROM generate_series(1, 300000) i CROSS JOIN LATERAL (SELECT CASE
        WHEN i > 300000 - {due} THEN now() - interval '1 day' + (i / 10 + i % 7) * interval '1 ms'
        WHEN i % 2 = 0 THEN now() + interval '1 day' + i * interval '1 ms' END AS at) t;";

#[tokio::test]
async fn due_orders_due_batches_and_orders_to_be_read() {
    let orders = Claim {
        marker: "ORDER BY plan_class, plan_at, id LIMIT",
        inside: None,
        values: "1, 1, 80, 1",
        table: "subjects",
        index: "subjects_due",
        none: 0,
        full: 80,
        all_due: false,
    };
    // Measured before it had an index of its own: 8,355 buffers with 1 % due, 5,329 with none.
    let batches = Claim {
        marker: "kind = 'batch' ORDER BY",
        inside: None,
        values: "30",
        table: "subjects",
        index: "subjects_batches_due",
        none: 0,
        full: 30,
        all_due: false,
    };
    check("subjects", SUBJECTS, &[orders, batches]).await;
}

/// All of them ended long ago; what is not due is purged.
const ENDED: &str = "
    INSERT INTO subjects (kind, account_id, external_id, number, created_at, closed_at, purged_at)
      SELECT 'order', 1 + i % 10, 'e' || i, 'N' || i, now(), now() - interval '400 days' + i * interval '1 s',
        CASE WHEN i <= 300000 - {due} THEN now() END
      FROM generate_series(1, 300000) i;";

#[tokio::test]
async fn orders_to_be_purged() {
    let claim = Claim {
        marker: "ORDER BY s.closed_at, s.id LIMIT",
        inside: None,
        values: "86400, 80",
        table: "subjects",
        index: "subjects_ended",
        none: 0,
        full: 80,
        all_due: false,
    };
    check("subjects", ENDED, &[claim]).await;
}

/// Waves of purged orders among many more of them.
const BODIES: &str = "
    INSERT INTO subjects (kind, account_id, external_id, number, created_at, closed_at, purged_at)
      SELECT CASE WHEN i <= 3000 THEN 'batch' ELSE 'order' END, 1, 'e' || i, 'N' || i, now(), now() - interval '400 days', CASE WHEN i > 3000 THEN now() END
      FROM generate_series(1, 100000) i;
    INSERT INTO batches (subject_id, account_id, location_id, kind, period, batch_no, state, seal_at, sealed_at, body, hash)
      SELECT i, 1, 1, 'instruct', 'p' || i, 1, 'done', now(), now() - interval '400 days', 'x', 'h' FROM generate_series(1, 3000) i;
    INSERT INTO shipments (reference, subject_id, account_id, location_id, batch_id, row_no, state, release_at)
      SELECT 'S' || i, 3000 + i, 1, 1, 1 + i % 3000, i, 'shipped', now() FROM generate_series(1, 6000) i;";

/// As a join, a wave's orders were looked for among all orders there ever were.
#[tokio::test]
async fn waves_to_be_purged() {
    let claim = Claim {
        marker: "ORDER BY b.sealed_at, b.subject_id LIMIT",
        inside: None,
        values: "86400, 80",
        table: "subjects",
        index: "batches_bodies",
        none: 0,
        full: 80,
        all_due: false,
    };
    let db = db().await;
    let mut connection = PgConnection::connect(&db.url).await.unwrap();
    run(&mut connection, "SET session_replication_role = replica").await;
    run(&mut connection, BODIES).await;
    run(&mut connection, "ANALYZE").await;
    let share = Share {
        name: "all",
        due: 3_000,
    };
    judge_all(&mut connection, &[claim], share, 2_000).await;
}

/// What is due to be read by its id, of two kinds; half of it has a time to come.
const READS: &str = "
    INSERT INTO reads (account_id, kind, external_id, due_at, why, noted_at)
      SELECT 1 + i % 10, CASE WHEN i % 20 < 10 THEN 'order' ELSE 'payment' END, 'e' || i, CASE
        WHEN i > 300000 - {due} THEN now() - interval '1 day' + (i / 10 + i % 7) * interval '1 ms'
        ELSE now() + interval '1 day' + i * interval '1 ms' END, 'hook', now()
      FROM generate_series(1, 300000) i;";

#[tokio::test]
async fn what_is_due_to_be_read_by_its_id() {
    let reads = Claim {
        marker: "ORDER BY account_id, kind, due_at, external_id LIMIT",
        inside: None,
        values: "3, 'order', 50",
        table: "reads",
        index: "reads_due",
        none: 0,
        full: 50,
        all_due: false,
    };
    let any_read = Claim {
        marker: "ORDER BY t.due_at, t.name",
        inside: None,
        values: "3, '{order}'",
        table: "reads",
        index: "reads_due",
        none: 1,
        full: 1,
        all_due: false,
    };
    check("reads", &with_accounts(READS), &[reads, any_read]).await;
}

/// Half of what is not due waits for its time, half for an operator.
const EFFECTS: &str = "
    INSERT INTO effects (subject_id, account_id, op, intent_id, lane, state, due_at)
      SELECT i, 1 + i % 10, 'ship', i, i % 3, CASE WHEN i > 300000 - {due} OR i % 2 = 0 THEN 'planned' ELSE 'unresolved' END,
        CASE WHEN i > 300000 - {due} THEN now() - interval '1 day' + (i / 10 + i % 7) * interval '1 ms' ELSE now() + interval '1 day' END
      FROM generate_series(1, 300000) i;";

#[tokio::test]
async fn due_effects_of_a_lane() {
    let claim = Claim {
        marker: "WITH due AS MATERIALIZED",
        inside: Some(("WITH due AS MATERIALIZED (", "),\n")),
        values: "2, 7, 1, 50, NULL",
        table: "effects",
        index: "effects_due",
        none: 0,
        full: 50,
        all_due: false,
    };
    check("effects", &with_accounts(EFFECTS), &[claim]).await;
}

/// Leases that ran out; what is not due is held by somebody or waits.
const LEASED: &str = "
    INSERT INTO effects (subject_id, account_id, op, intent_id, lane, state, due_at, token, lease_until, body)
      SELECT i, 1 + i % 10, 'ship', i, i % 3, t.s, now(), CASE WHEN t.s <> 'planned' THEN i END,
        CASE WHEN t.s <> 'planned' THEN now() + CASE WHEN i > 300000 - {due} THEN -1 ELSE 1 END * interval '1 hour' + (i / 10 + i % 7) * interval '1 ms' END, 'x'
      FROM generate_series(1, 300000) i CROSS JOIN LATERAL (SELECT CASE
        WHEN i > 300000 - {due} THEN (ARRAY['leased', 'sending'])[1 + i / 10 % 2]
        WHEN i % 1000 = 1 THEN 'sending' ELSE 'planned' END AS s) t;";

#[tokio::test]
async fn effects_whose_lease_ran_out() {
    let claim = Claim {
        marker: "the process was lost while this was being sent",
        inside: Some(("ARRAY(", "))")),
        values: "'{2}', '{7}', '{f}', 70",
        table: "effects",
        index: "effects_leased",
        none: 0,
        full: 70,
        all_due: false,
    };
    check("effects", &with_accounts(LEASED), &[claim]).await;
}

/// Ten streams in each of 30,000 accounts: an account's own are found by its key.
const STREAMS: &str = "
    INSERT INTO streams (account_id, name, due_at) SELECT i / 10, 's' || i % 10,
      CASE WHEN i > 300000 - {due} THEN now() - interval '1 hour' ELSE now() + interval '1 hour' END
    FROM generate_series(10, 300009) i;";

#[tokio::test]
async fn due_streams_of_an_account() {
    let claim = Claim {
        marker: "ORDER BY t.due_at, t.name",
        inside: None,
        values: "29999, '{}'",
        table: "streams",
        index: "streams_pkey",
        none: 1,
        full: 10,
        all_due: false,
    };
    check("streams", STREAMS, &[claim]).await;
}

/// One open batch for each of so many warehouses; the others are done or have time.
const BATCHES: &str = "
    UPDATE gate SET policy_id = 1;
    INSERT INTO batches (subject_id, account_id, location_id, kind, period, batch_no, state, seal_at, body, hash)
      SELECT i, i / 300, i % 300, 'instruct', 'p', i, CASE WHEN t.open THEN 'open' ELSE 'done' END,
        now() + CASE WHEN i > 300000 - {due} THEN -1 ELSE 1 END * interval '1 hour' + (i / 10 + i % 7) * interval '1 ms',
        CASE WHEN NOT t.open THEN 'x'::bytea END, CASE WHEN NOT t.open THEN 'x'::bytea END
      FROM generate_series(1, 300000) i CROSS JOIN LATERAL (SELECT i > 300000 - {due} OR i % 100 = 0 AS open) t;";

#[tokio::test]
async fn batches_due_to_be_sealed() {
    let claim = Claim {
        marker: "FROM batches\n             WHERE state = 'open' AND seal_at <=",
        inside: None,
        values: "1, NULL, 0, 100, 1",
        table: "batches",
        index: "batches_due",
        none: 0,
        full: 100,
        all_due: false,
    };
    let missed = Claim {
        marker: "kind = 'instruct' AND state = 'missed'",
        inside: None,
        values: "7",
        table: "batches",
        index: "batches_missed",
        none: 0,
        full: 0,
        all_due: false,
    };
    check("batches", BATCHES, &[claim, missed]).await;
}

/// Three warehouses with as many batches behind them, each with something to go and a cut-off that more made than its
/// batches took.
const WAITING: &str = "
    INSERT INTO locations (slug, account_id, code) SELECT 'l' || i, 1, 'c' || i FROM generate_series(1, 3) i;
    INSERT INTO shipments (reference, subject_id, account_id, location_id, state, release_at)
      SELECT 'r' || i, i, 1, i, 'waiting', now() FROM generate_series(1, 3) i;
    INSERT INTO batches (subject_id, account_id, location_id, kind, period, batch_no, state, seal_at, body, hash, more)
      SELECT i, 1, 1 + i % 3, 'instruct', 'p' || i / 15, i, 'done', now(), 'x', 'x', true FROM generate_series(1, 300000) i;";

#[tokio::test]
async fn warehouses_where_something_waits() {
    let claim = Claim {
        marker: "AS \"files!\"",
        inside: None,
        values: "",
        table: "batches",
        index: "batches_account_id_kind_period_n_key",
        none: 3,
        full: 3,
        all_due: false,
    };
    check("batches", WAITING, &[claim]).await;
}

/// Shipments of three warehouses.
const SHIPMENTS: &str = "
    INSERT INTO shipments (reference, subject_id, account_id, location_id, state, release_at)
      SELECT 'r' || i, i, 1, 1 + i % 3, CASE WHEN i > 300000 - {due} OR i % 100 = 0 THEN 'waiting' ELSE 'shipped' END,
        now() + CASE WHEN i > 300000 - {due} THEN -1 ELSE 1 END * interval '1 hour' + (i / 10 + i % 7) * interval '1 ms'
      FROM generate_series(1, 300000) i;";

#[tokio::test]
async fn shipments_waiting_for_a_wave() {
    let claim = Claim {
        marker: "SELECT DISTINCT subject_id FROM (SELECT subject_id FROM shipments",
        inside: None,
        values: "2, 100, now(), 60",
        table: "shipments",
        index: "shipments_waiting",
        none: 0,
        full: 100,
        all_due: false,
    };
    check("shipments", SHIPMENTS, &[claim]).await;
}

/// Marks are deleted as they are worked off, and the daemon vacuums what they leave: the next ones begin
/// at the table's first page while the index goes on to the right. (Not vacuumed, 300,000 of them cost
/// the next claim 2,733 buffers, and those after it 822.)
const MARKS: &str = "
    INSERT INTO allocation_requests (item_id, demand_id) SELECT i % 1000, i FROM generate_series(1, 300000 - {due}) i;
    DELETE FROM allocation_requests;";
const NEW_MARKS: &str = "INSERT INTO allocation_requests (item_id, demand_id) SELECT i % 1000, i FROM generate_series(1, {due}) i;";

#[tokio::test]
async fn marks_of_items() {
    let claim = Claim {
        marker: "DELETE FROM allocation_requests",
        inside: Some(("ARRAY(", "))")),
        values: "100",
        table: "allocation_requests",
        index: "item_marks_pkey",
        none: 0,
        full: 100,
        all_due: true,
    };
    check(
        "allocation_requests",
        &format!("{MARKS}--vacuum\n{NEW_MARKS}"),
        &[claim],
    )
    .await;
}
