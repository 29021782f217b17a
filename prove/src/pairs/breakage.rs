//! Faults put in on purpose by rewriting the SQL that goes over the wire, each of which the tool must find.

use super::deed::Deed;
use super::pair::{Bench, Setting};

/// A fault and where it is looked for.
#[derive(Debug)]
pub struct Breakage {
    /// Its name on the command line and in the documents.
    pub word: &'static str,
    /// What is wrong with it.
    pub what: &'static str,
    /// The pair that meets it.
    pub pair: [Deed; 2],
    /// Other SQL for a session's statement.
    pub(super) rewrite: fn(usize, &str) -> Option<String>,
    /// A change of the schema.
    pub(super) schema: &'static str,
}

/// What became of a search for a fault.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The fault.
    pub word: &'static str,
    /// Interleavings tried until it was seen.
    pub after: usize,
    /// How it showed.
    pub how: Option<String>,
}

const CLAIM: &str = "FOR NO KEY UPDATE SKIP LOCKED";
const LOCK: &str = "SELECT id FROM subjects WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE";

fn swap(sql: &str, from: &str, to: &str) -> Option<String> {
    sql.contains(from).then(|| sql.replace(from, to))
}

fn is_claim(sql: &str) -> bool {
    sql.contains("FROM subjects WHERE kind = 'order' AND plan_class") && sql.contains(CLAIM)
}

/// All of them.
pub const BREAKAGES: &[Breakage] = &[
    Breakage {
        word: "claim-loads",
        what: "hazard 3a: the planner reads facts in the statement that claims the order, so it waits for the lock and reads what was there before",
        pair: [Deed::Cancel, Deed::Plan],
        rewrite: |who, sql| match who {
            1 if is_claim(sql) => {
                let claim = sql.replace(CLAIM, "FOR NO KEY UPDATE");
                Some(format!(
                    "WITH due AS MATERIALIZED ({claim}), seen AS (INSERT INTO broken_seen SELECT f.* FROM facts f JOIN due ON due.id = f.subject_id)
                     SELECT id FROM due"
                ))
            }
            1 => swap(
                sql,
                "FROM facts WHERE subject_id = ANY($1) ORDER BY subject_id, id",
                "FROM broken_seen WHERE subject_id = ANY($1) ORDER BY subject_id, id",
            ),
            _ => None,
        },
        schema: "CREATE TABLE broken_seen (LIKE facts)",
    },
    Breakage {
        word: "planner-unlocked",
        what: "hazard 3b: the planner holds no lock of the order, so an acknowledgement comes between its reading of facts and of the queue",
        pair: [Deed::Plan, Deed::Acknowledge],
        rewrite: |who, sql| (who == 0 && is_claim(sql)).then(|| sql.replace(CLAIM, "")),
        schema: "",
    },
    Breakage {
        word: "effect-before-order",
        what: "hazard 3c: an acknowledgement locks the effect before the order",
        pair: [Deed::Withdraw, Deed::Acknowledge],
        rewrite: |who, sql| {
            (who == 1 && sql == LOCK)
                .then(|| "SELECT id FROM subjects WHERE id = ANY($1) ORDER BY id".to_owned())
        },
        schema: "",
    },
    Breakage {
        word: "claim-for-update",
        what: "hazard 3d: the planner's claim locks FOR UPDATE, so it passes over an order that is merely being referred to",
        pair: [Deed::Mention, Deed::Plan],
        rewrite: |who, sql| {
            (who == 1 && is_claim(sql)).then(|| sql.replace(CLAIM, "FOR UPDATE SKIP LOCKED"))
        },
        schema: "",
    },
    Breakage {
        word: "cursor-unfenced",
        what: "hazard 11: a page is stored although the cursor has moved since it was requested",
        pair: [Deed::Pull, Deed::Pull],
        rewrite: |_, sql| swap(sql, "AND s.seq = $4", "AND $4::bigint IS NOT NULL"),
        schema: "",
    },
    Breakage {
        word: "page-order",
        what: "hazard 11: a page locks the orders it knows before it makes those it does not",
        pair: [Deed::Pull, Deed::Webhook],
        rewrite: |who, sql| {
            let makes = who == 1 && sql.contains("INSERT INTO subjects (kind, account_id");
            makes.then(|| {
                let known = "WITH known AS MATERIALIZED (SELECT id FROM subjects WHERE account_id = $1 AND external_id = ANY($2::text[]) ORDER BY id FOR NO KEY UPDATE) ";
                let made = sql.replace("AS t (e, n) ORDER BY", "AS t (e, n) WHERE (SELECT count(*) FROM known) >= 0 ORDER BY");
                format!("{known}{made}")
            })
        },
        schema: "",
    },
    Breakage {
        word: "one-at-the-claim",
        what: "hazard 13: one call of an order and account is asked for when it is claimed, not when it is planned",
        pair: [Deed::Plan, Deed::Claim],
        rewrite: |who, sql| {
            swap(
                sql,
                "WHERE e.subject_id = ANY($1) ORDER BY e.id",
                "WHERE e.subject_id = ANY($1) AND e.state <> 'planned' ORDER BY e.id",
            )
            .filter(|_| who == 0)
        },
        schema: "DROP INDEX effects_one; CREATE UNIQUE INDEX effects_one ON effects (subject_id, account_id) WHERE state IN ('leased', 'sending')",
    },
    Breakage {
        word: "page-unlocked",
        what: "a page reads the heads of orders that it has not locked",
        pair: [Deed::Pull, Deed::Read],
        rewrite: |_, sql| {
            sql.contains("SELECT id, external_id, origin, account_id = $1 AND kind = 'order' AS")
                .then(|| sql.replace("FOR NO KEY UPDATE", ""))
        },
        schema: "",
    },
    Breakage {
        word: "withdraw-blind",
        what: "a call is withdrawn without checking whether it is in progress",
        pair: [Deed::Withdraw, Deed::Claim],
        rewrite: |who, sql| {
            swap(
                sql,
                "AND state IN ('planned', 'leased') AND NOT outcome_unknown",
                "",
            )
            .filter(|_| who == 0)
        },
        schema: "",
    },
    Breakage {
        word: "send-unfenced",
        what: "a call is marked as being sent by a process that lost it",
        pair: [Deed::Claim, Deed::Restart],
        rewrite: |who, sql| {
            let mark = who == 0 && sql.contains("SET state = 'sending'");
            mark.then(|| {
                sql.replace("AND lease_token = $2", "AND $2::bigint IS NOT NULL")
                    .replace("AND e.state = 'leased' AND e.token = b.token", "")
            })
        },
        schema: "",
    },
    Breakage {
        word: "purge-unlocked",
        what: "an order is purged without its lock, so a page that came between brings its address back",
        pair: [Deed::Pull, Deed::Purge],
        rewrite: |who, sql| {
            let claim = who == 1 && sql.contains("s.purged_at IS NULL") && sql.contains(CLAIM);
            claim.then(|| sql.replace(CLAIM, ""))
        },
        schema: "",
    },
    Breakage {
        word: "purge-forgotten",
        what: "a page stores the bytes of an order that is purged",
        pair: [Deed::Pull, Deed::Purge],
        rewrite: |who, sql| {
            let writes = who == 0 && sql.contains("INSERT INTO raw_payloads");
            writes.then(|| sql.replace("AND o.purged_at IS NOT NULL", "AND false"))
        },
        schema: "",
    },
    Breakage {
        word: "words-kept",
        what: "what a warehouse says of an order that is purged is stored",
        pair: [Deed::Parcel, Deed::Erase],
        rewrite: |who, sql| {
            let writes = who == 0 && sql.contains("INSERT INTO fact_words");
            writes.then(|| sql.replace("WHERE o.purged_at IS NULL AND b.purged_at IS NULL", ""))
        },
        schema: "",
    },
    Breakage {
        word: "decision-unlocked",
        what: "an operator's command counts earlier ones without a lock of the order",
        pair: [Deed::Cancel, Deed::Cancel],
        rewrite: |_, sql| {
            swap(
                sql,
                "SELECT id FROM subjects WHERE id = ANY($1) ORDER BY id FOR NO KEY UPDATE",
                "SELECT id FROM subjects WHERE id = ANY($1) ORDER BY id",
            )
        },
        schema: "",
    },
];

/// Looks for one fault until it shows.
pub async fn see(breakage: &'static Breakage) -> Seen {
    let bench = Bench::open(Some(breakage)).await;
    let setting = Setting {
        pair: breakage.pair,
        ..Setting::default()
    };
    let done = bench.try_pair(&setting).await;
    Seen {
        word: breakage.word,
        after: done.interleavings,
        how: done.found.map(|found| found.told),
    }
}
