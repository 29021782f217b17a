//! Where payments and orders meet: each finds the other by a name, whichever is stored first. Both lock the names that
//! they bring before they look for each other, so that neither is lost when they come at once.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use sha2::{Digest, Sha256};
use sqlx::{Postgres, Transaction};

use super::facts::{FactRows, insert_facts};
use super::heads::{SeriesKey, body_hash, fact_key, load_heads, write_heads};
use super::ingest::write_raw_and_personal;
use super::judge::{Head, Judgement, judge};
use super::purge::ROWS;
use super::{Directory, IncomingOrder, Store, StoreError};
use crate::facts::{FactBody, PaymentFact};
use crate::plan::{Claim, NameKind, NamedPayment, owners};

/// A name of a payment at an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PaymentName {
    /// The account that holds the money.
    pub account_id: i16,
    /// How it is named.
    pub kind: NameKind,
    /// The name.
    pub name: String,
}

/// A payment as its account reported it.
#[derive(Clone, Debug)]
pub struct IncomingPayment {
    /// The reading.
    pub fact: PaymentFact,
    /// The bytes.
    pub raw: Vec<u8>,
}

/// A row of `payment_names`.
#[derive(Clone, Debug)]
struct Row {
    name: PaymentName,
    claim: Claim<i64>,
}

/// A payment that looks for its order.
struct Looking {
    account_id: i16,
    fact: PaymentFact,
    version: Option<i64>,
    seen_at: DateTime<Utc>,
    /// `None` for one that was kept.
    raw: Option<Vec<u8>>,
}

/// What an order page or a payment page needs to know before orders are locked.
#[derive(Default)]
pub(super) struct Meeting {
    /// Claims on all names that it brings or takes back.
    rows: Vec<Row>,
    /// The orders that claimed them, which are locked next.
    claimed: BTreeSet<i64>,
}

/// An order of a page, and the names it has from now on.
pub(super) struct Claimed<'p> {
    pub(super) subject: i64,
    pub(super) names: &'p BTreeSet<PaymentName>,
    /// It is not cancelled at its channel.
    pub(super) live: bool,
}

/// What the meeting brought.
#[derive(Debug, Default)]
pub(super) struct Met {
    /// New facts.
    pub(super) new_facts: usize,
    /// Payments that say what is known already, or that wait for their order.
    pub(super) unchanged: usize,
    /// Orders to be planned.
    pub(super) due: BTreeSet<i64>,
}

fn names_of(account_id: i16, payment: &PaymentFact) -> impl Iterator<Item = PaymentName> {
    let payment = &payment.payment;
    let key = (NameKind::Key, payment.key.to_string());
    let reference = payment.reference.clone();
    let reference = reference.map(|name| (NameKind::Reference, name));
    [key]
        .into_iter()
        .chain(reference)
        .map(move |(kind, name)| PaymentName {
            account_id,
            kind,
            name,
        })
}

/// The number of a name's lock: a collision makes two wait for each other that need not.
fn lock_of(name: &PaymentName) -> i64 {
    let text = format!(
        "payment {} {} {}",
        name.account_id,
        name.kind.as_str(),
        name.name
    );
    let digest = Sha256::digest(text.as_bytes());
    let first: [u8; 8] = std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default());
    i64::from_be_bytes(first)
}

impl Meeting {
    /// The orders that it may touch.
    pub(super) fn subjects(&self) -> impl Iterator<Item = i64> {
        self.claimed.iter().copied()
    }

    fn owners(&self, names: &BTreeSet<PaymentName>) -> BTreeSet<i64> {
        let rows = self.rows.iter().filter(|row| names.contains(&row.name));
        owners(&rows.map(|row| row.claim.clone()).collect::<Vec<_>>())
    }
}

impl Store {
    /// [`Self::meet`] for orders and payments of a page.
    pub(super) async fn meet_page<'o>(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        orders: impl Iterator<Item = &'o IncomingOrder>,
        payments: &[IncomingPayment],
    ) -> Result<Meeting, StoreError> {
        let (mut elsewhere, mut brought) = (Vec::new(), BTreeSet::new());
        for order in orders {
            if let Some(names) = &order.payments {
                elsewhere.push(order.external_id.to_string());
                brought.extend(names.iter().cloned());
            }
        }
        Self::meet(tx, account_id, &elsewhere, brought, payments).await
    }

    /// Locks the names that a page brings and reads who claims them. `orders` are the channel's ids of its orders that may
    /// have payments elsewhere. Comes before any order is locked.
    async fn meet(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        orders: &[String],
        brought: BTreeSet<PaymentName>,
        payments: &[IncomingPayment],
    ) -> Result<Meeting, StoreError> {
        let mut names = brought;
        names.extend(
            payments
                .iter()
                .flat_map(|payment| names_of(account_id, &payment.fact)),
        );
        let mut locked: BTreeSet<i64> = BTreeSet::new();
        loop {
            // Asked again once they are locked: what an order learnt meanwhile is its name, too. Whoever teaches it one holds a
            // name that it has, so that the second answer is mostly the last.
            if !orders.is_empty() {
                for row in sqlx::query!(
                    "SELECT n.account_id, n.kind, n.name FROM payment_names n JOIN subjects s ON s.id = n.subject_id
                     WHERE s.account_id = $1 AND s.kind = 'order' AND s.external_id = ANY($2)",
                    account_id,
                    orders
                )
                .fetch_all(&mut **tx)
                .await?
                {
                    names.extend(name(row.account_id, &row.kind, row.name));
                }
            }
            let wanted: BTreeSet<i64> = names.iter().map(lock_of).collect();
            let more: Vec<i64> = wanted.difference(&locked).copied().collect();
            if more.is_empty() {
                break;
            }
            sqlx::query!(
                r#"SELECT pg_advisory_xact_lock(t.n) AS "locked?: ()" FROM unnest($1::bigint[]) AS t (n)"#,
                &more
            )
            .fetch_all(&mut **tx)
            .await?;
            locked.extend(more);
        }
        if names.is_empty() {
            return Ok(Meeting::default());
        }
        let rows = rows_of(tx, &names).await?;
        let claimed = rows.iter().map(|row| row.claim.order).collect();
        Ok(Meeting { rows, claimed })
    }

    /// Writes the names that orders have now, then gives each payment to its order: those of the page, and those that were
    /// kept for want of one. The orders' rows are locked.
    pub(super) async fn hear_payments(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        mut meeting: Meeting,
        orders: &[Claimed<'_>],
        payments: &[IncomingPayment],
        (requested_at, day): (DateTime<Utc>, NaiveDate),
    ) -> Result<Met, StoreError> {
        let mut met = Met::default();
        let moved = write_names(tx, &mut meeting, orders).await?;
        let mut looking: Vec<Looking> = payments
            .iter()
            .map(|payment| {
                let mut fact = payment.fact.clone();
                // Beside the reading and not in it: a payment that changed in nothing is the same reading.
                let version = fact.payment.version.take();
                Looking {
                    account_id,
                    fact,
                    version: version.and_then(|version| i64::try_from(version).ok()),
                    seen_at: requested_at,
                    raw: Some(payment.raw.clone()),
                }
            })
            .collect();
        if !moved.is_empty() {
            let named: BTreeSet<PaymentName> = moved.iter().map(|row| row.name.clone()).collect();
            let concerned = meeting.rows.iter().filter(|row| named.contains(&row.name));
            met.due.extend(concerned.clone().map(|row| row.claim.order));
            // Also where another order comes to name it better than the one that has it.
            let holders = concerned.map(|row| (&row.name, row.claim.order));
            let gone = moved.iter().filter(|row| row.gone);
            let holders = holders.chain(gone.map(|row| (&row.name, row.subject)));
            put_back(tx, &holders.collect::<Vec<_>>()).await?;
            looking.extend(kept(tx, &named).await?);
        }
        let mut locked = meeting.claimed.clone();
        locked.extend(orders.iter().map(|order| order.subject));
        let mut facts: BTreeMap<i64, Vec<Looking>> = BTreeMap::new();
        let mut strays = Vec::new();
        // One that was kept may have a name that is none of this page's.
        let known: BTreeSet<&PaymentName> = meeting.rows.iter().map(|row| &row.name).collect();
        let more: BTreeSet<PaymentName> = looking
            .iter()
            .filter(|payment| payment.raw.is_none())
            .flat_map(|payment| names_of(payment.account_id, &payment.fact))
            .filter(|name| !known.contains(name))
            .collect();
        meeting.rows.extend(rows_of(tx, &more).await?);
        for payment in looking {
            let names: BTreeSet<PaymentName> =
                names_of(payment.account_id, &payment.fact).collect();
            let owners = meeting.owners(&names);
            let owner = owners.first().filter(|_| owners.len() == 1);
            match owner.filter(|subject| locked.contains(subject)) {
                Some(subject) => facts.entry(*subject).or_default().push(payment),
                None => strays.push(payment),
            }
        }
        keep(tx, &strays).await?;
        met.unchanged += strays
            .iter()
            .filter(|payment| payment.raw.is_some())
            .count();
        store(tx, facts, day, &mut met).await?;
        Ok(met)
    }

    /// Deletes payments that nobody claimed for 35 days since they were read, or since an order let go of them: the oldest, up to a
    /// bound. Returns how many.
    ///
    /// # Errors
    /// The database's.
    pub async fn purge_stray_payments(&self) -> Result<u64, StoreError> {
        let gone = sqlx::query!(
            "WITH old AS MATERIALIZED (
               SELECT account_id, key FROM stray_payments WHERE seen_at < (SELECT hk_now()) - interval '35 days' AND NOT (SELECT hk_stopped())
               ORDER BY seen_at LIMIT $1 FOR UPDATE SKIP LOCKED)
             DELETE FROM stray_payments p USING old o WHERE p.account_id = o.account_id AND p.key = o.key",
            ROWS
        )
        .execute(&self.pool)
        .await?;
        Ok(gone.rows_affected())
    }

    /// Who claims the names of these orders' payments, themselves among them.
    pub(super) async fn load_claims(
        tx: &mut Transaction<'_, Postgres>,
        orders: &[i64],
        directory: &Directory,
    ) -> Result<BTreeMap<i64, Vec<NamedPayment>>, StoreError> {
        let mut claims: BTreeMap<i64, Vec<NamedPayment>> = BTreeMap::new();
        if orders.is_empty() {
            return Ok(claims);
        }
        for row in sqlx::query!(
            r#"SELECT m.subject_id AS "mine!", n.account_id, n.kind, n.name, n.learnt, n.live, s.number
               FROM payment_names m JOIN payment_names n USING (account_id, kind, name) JOIN subjects s ON s.id = n.subject_id
               WHERE m.subject_id = ANY($1) ORDER BY n.account_id, n.kind, n.name, n.subject_id"#,
            orders
        )
        .fetch_all(&mut **tx)
        .await?
        {
            let Some(kind) = NameKind::parse(&row.kind) else {
                continue;
            };
            claims.entry(row.mine).or_default().push(NamedPayment {
                account: directory.slug(row.account_id)?.clone(),
                name: row.name,
                claim: Claim {
                    order: row.number,
                    kind,
                    learnt: row.learnt,
                    live: row.live,
                },
            });
        }
        Ok(claims)
    }
}

fn name(account_id: i16, kind: &str, name: String) -> Option<PaymentName> {
    let kind = NameKind::parse(kind)?;
    Some(PaymentName {
        account_id,
        kind,
        name,
    })
}

/// Who claims names.
async fn rows_of(
    tx: &mut Transaction<'_, Postgres>,
    names: &BTreeSet<PaymentName>,
) -> Result<Vec<Row>, StoreError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let (account, kind, text) = columns(names.iter());
    let rows = sqlx::query!(
        "SELECT n.account_id, n.kind, n.name, n.subject_id, n.learnt, n.live FROM payment_names n
           JOIN unnest($1::smallint[], $2::text[], $3::text[]) AS t (a, k, n) ON n.account_id = t.a AND n.kind = t.k AND n.name = t.n",
        &account,
        &kind,
        &text
    )
    .fetch_all(&mut **tx)
    .await?;
    let row = |row: (i16, String, String, i64, bool, bool)| {
        let name = name(row.0, &row.1, row.2)?;
        Some(Row {
            claim: Claim {
                order: row.3,
                kind: name.kind,
                learnt: row.4,
                live: row.5,
            },
            name,
        })
    };
    Ok(rows
        .into_iter()
        .filter_map(|r| row((r.account_id, r.kind, r.name, r.subject_id, r.learnt, r.live)))
        .collect())
}

fn columns<'n>(
    names: impl Iterator<Item = &'n PaymentName>,
) -> (Vec<i16>, Vec<String>, Vec<String>) {
    let (mut account, mut kind, mut text) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        account.push(name.account_id);
        kind.push(name.kind.as_str().to_owned());
        text.push(name.name.clone());
    }
    (account, kind, text)
}

/// A claim that was made, changed or taken back.
struct Moved {
    name: PaymentName,
    subject: i64,
    gone: bool,
}

/// Writes the names of orders where they differ from what is stored.
async fn write_names(
    tx: &mut Transaction<'_, Postgres>,
    meeting: &mut Meeting,
    orders: &[Claimed<'_>],
) -> Result<Vec<Moved>, StoreError> {
    let mut moved = Vec::new();
    let mut put: Vec<(i64, bool, &PaymentName)> = Vec::new();
    for order in orders {
        let mine = |row: &&Row| row.claim.order == order.subject;
        let before: Vec<&Row> = meeting.rows.iter().filter(mine).collect();
        let gone = |row: &&&Row| !row.claim.learnt && !order.names.contains(&row.name);
        let dropped: Vec<&&Row> = before.iter().filter(gone).collect();
        let accounts: BTreeSet<i16> = dropped.iter().map(|row| row.name.account_id).collect();
        // What it learnt by a name that it no longer has is not its own either.
        let learnt = before
            .iter()
            .filter(|row| row.claim.learnt && accounts.contains(&row.name.account_id));
        for row in dropped.iter().copied().chain(learnt) {
            moved.push(Moved {
                name: row.name.clone(),
                subject: order.subject,
                gone: true,
            });
        }
        for name in order.names {
            let known = before.iter().find(|row| row.name == *name);
            let same = |row: &&&Row| !row.claim.learnt && row.claim.live == order.live;
            if known.filter(same).is_none() {
                put.push((order.subject, order.live, name));
                moved.push(Moved {
                    name: name.clone(),
                    subject: order.subject,
                    gone: false,
                });
            }
        }
    }
    let gone: Vec<&Moved> = moved.iter().filter(|row| row.gone).collect();
    if !gone.is_empty() {
        let (account, kind, text) = columns(gone.iter().map(|row| &row.name));
        let subject: Vec<i64> = gone.iter().map(|row| row.subject).collect();
        sqlx::query!(
            "DELETE FROM payment_names n USING unnest($1::smallint[], $2::text[], $3::text[], $4::bigint[]) AS t (a, k, n, s)
             WHERE n.account_id = t.a AND n.kind = t.k AND n.name = t.n AND n.subject_id = t.s",
            &account,
            &kind,
            &text,
            &subject
        )
        .execute(&mut **tx)
        .await?;
    }
    if !put.is_empty() {
        let (account, kind, text) = columns(put.iter().map(|row| row.2));
        let subject: Vec<i64> = put.iter().map(|row| row.0).collect();
        let live: Vec<bool> = put.iter().map(|row| row.1).collect();
        sqlx::query!(
            "INSERT INTO payment_names (account_id, kind, name, subject_id, live, learnt)
             SELECT t.a, t.k, t.n, t.s, t.l, false FROM unnest($1::smallint[], $2::text[], $3::text[], $4::bigint[], $5::bool[]) AS t (a, k, n, s, l)
             ORDER BY 1, 2, 3, 4
             ON CONFLICT (account_id, kind, name, subject_id) DO UPDATE SET live = excluded.live, learnt = false",
            &account,
            &kind,
            &text,
            &subject,
            &live
        )
        .execute(&mut **tx)
        .await?;
        // What it learnt is as alive as the order; who claims that is judged anew as well.
        for row in sqlx::query!(
            "UPDATE payment_names n SET live = t.l FROM (SELECT DISTINCT * FROM unnest($1::bigint[], $2::bool[]) AS t (s, l)) AS t
             WHERE n.subject_id = t.s AND n.learnt AND n.live <> t.l RETURNING n.account_id, n.kind, n.name, n.subject_id",
            &subject,
            &live
        )
        .fetch_all(&mut **tx)
        .await?
        {
            moved.extend(name(row.account_id, &row.kind, row.name).map(|name| Moved {
                name,
                subject: row.subject_id,
                gone: false,
            }));
        }
    }
    let names: BTreeSet<PaymentName> = moved.iter().map(|row| row.name.clone()).collect();
    meeting.rows.retain(|row| !names.contains(&row.name));
    meeting.rows.extend(rows_of(tx, &names).await?);
    Ok(moved)
}

/// Payments of these names that these orders have look for their order again: it may be the same. They are strays from now
/// on, whenever they were read last; that time is kept in the body beside the reading.
async fn put_back(
    tx: &mut Transaction<'_, Postgres>,
    holders: &[(&PaymentName, i64)],
) -> Result<(), StoreError> {
    let (account, kind, text) = columns(holders.iter().map(|(name, _)| *name));
    let subject: Vec<i64> = holders.iter().map(|(_, subject)| *subject).collect();
    sqlx::query!(
        "INSERT INTO stray_payments (account_id, key, reference, version, body, seen_at)
         SELECT DISTINCT ON (a.id, f.body #>> '{payment,key}') a.id, f.body #>> '{payment,key}', f.body #>> '{payment,reference}', h.version,
           f.body || jsonb_build_object('requested_at', h.requested_at), (SELECT hk_now())
         FROM unnest($1::smallint[], $2::text[], $3::text[], $4::bigint[]) AS t (a, k, n, s)
           JOIN latest_observations h ON h.subject_id = t.s AND h.kind = 'payment'
           JOIN facts f ON f.subject_id = h.subject_id AND f.key = 'payment:' || h.series || ':' || h.revision
           JOIN accounts a ON a.slug = f.body ->> 'account' AND a.id = t.a
         WHERE f.body #>> ARRAY['payment', t.k] = t.n
         ORDER BY 1, 2, h.requested_at DESC
         ON CONFLICT (account_id, key) DO UPDATE SET seen_at = greatest(stray_payments.seen_at, excluded.seen_at),
           body = jsonb_build_object('requested_at', stray_payments.seen_at) || stray_payments.body",
        &account,
        &kind,
        &text,
        &subject
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Payments of these names that were kept for want of an order.
async fn kept(
    tx: &mut Transaction<'_, Postgres>,
    names: &BTreeSet<PaymentName>,
) -> Result<Vec<Looking>, StoreError> {
    let (account, kind, text) = columns(names.iter());
    let mut kept = Vec::new();
    for row in sqlx::query!(
        r#"SELECT p.account_id, p.version, p.body, coalesce((p.body ->> 'requested_at')::timestamptz, p.seen_at) AS "requested_at!" FROM stray_payments p
         WHERE EXISTS (SELECT FROM unnest($1::smallint[], $2::text[], $3::text[]) AS t (a, k, n)
           WHERE p.account_id = t.a AND (t.k = 'key' AND p.key = t.n OR t.k = 'reference' AND p.reference = t.n))
         ORDER BY p.account_id, p.key FOR UPDATE"#,
        &account,
        &kind,
        &text
    )
    .fetch_all(&mut **tx)
    .await?
    {
        kept.push(Looking {
            account_id: row.account_id,
            fact: serde_json::from_value(row.body)?,
            version: row.version,
            seen_at: row.requested_at,
            raw: None,
        });
    }
    Ok(kept)
}

/// Keeps what fits nobody, or several: the newest reading of each.
async fn keep(tx: &mut Transaction<'_, Postgres>, strays: &[Looking]) -> Result<(), StoreError> {
    let mut newest: BTreeMap<(i16, &str), &Looking> = BTreeMap::new();
    for stray in strays.iter().filter(|stray| stray.raw.is_some()) {
        let place = (stray.account_id, stray.fact.payment.key.as_str());
        let known = newest.get(&place);
        if known
            .is_none_or(|known| (known.version, known.seen_at) <= (stray.version, stray.seen_at))
        {
            newest.insert(place, stray);
        }
    }
    if newest.is_empty() {
        return Ok(());
    }
    let (mut account, mut key, mut reference) = (Vec::new(), Vec::new(), Vec::new());
    let (mut version, mut body, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for ((account_id, payment), stray) in newest {
        account.push(account_id);
        key.push(payment.to_owned());
        reference.push(stray.fact.payment.reference.clone());
        version.push(stray.version);
        body.push(serde_json::to_value(&stray.fact)?);
        seen.push(stray.seen_at);
    }
    sqlx::query!(
        "INSERT INTO stray_payments (account_id, key, reference, version, body, seen_at)
         SELECT * FROM unnest($1::smallint[], $2::text[], $3::text[], $4::bigint[], $5::jsonb[], $6::timestamptz[])
         ON CONFLICT (account_id, key) DO UPDATE SET reference = excluded.reference, version = excluded.version, body = excluded.body, seen_at = excluded.seen_at
         WHERE coalesce((stray_payments.body ->> 'requested_at')::timestamptz, stray_payments.seen_at) <= excluded.seen_at AND (stray_payments.version <= excluded.version) IS NOT FALSE",
        &account,
        &key,
        &reference as &[Option<String>],
        &version as &[Option<i64>],
        &body,
        &seen
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Stores payments with their orders, each judged against the last reading of it. They are strays no more, and an order
/// that knew one by reference knows the provider's id of it from now on.
async fn store(
    tx: &mut Transaction<'_, Postgres>,
    found: BTreeMap<i64, Vec<Looking>>,
    day: NaiveDate,
    met: &mut Met,
) -> Result<(), StoreError> {
    if found.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = found.keys().copied().collect();
    let mut heads = load_heads(tx, &ids).await?;
    let received_at = sqlx::query_scalar!(r#"SELECT hk_now() AS "now!""#)
        .fetch_one(&mut **tx)
        .await?;
    let mut rows = FactRows::default();
    let mut raws: Vec<(i64, String, &[u8])> = Vec::new();
    let mut touched: BTreeSet<SeriesKey> = BTreeSet::new();
    let (mut account, mut key, mut subjects) = (Vec::new(), Vec::new(), Vec::new());
    for (subject, mut payments) in found
        .iter()
        .map(|(subject, found)| (*subject, found.iter().collect::<Vec<_>>()))
    {
        // What was kept was read before what comes now.
        payments.sort_by_key(|payment| payment.seen_at);
        for payment in payments {
            account.push(payment.account_id);
            key.push(payment.fact.payment.key.to_string());
            subjects.push(subject);
            let series = payment.fact.series();
            let body = FactBody::Payment(Box::new(payment.fact.clone()));
            let json = body.to_json()?;
            let hash = body_hash(&body, &json)?;
            let place = (subject, body.kind().to_owned(), series.clone());
            let (asked, version) = (payment.seen_at, payment.version);
            let known = heads.get_mut(&place);
            let n = known.as_ref().map_or(0, |head| head.n);
            match judge(known.as_deref(), &hash, version, asked, received_at) {
                // Each reading is whole: of two that overlap the one that is stored last counts, until the next.
                Judgement::New | Judgement::Overlap => {
                    let key = fact_key(body.kind(), &series, n + 1);
                    rows.push(subject, key.clone(), &body, json, asked, asked, day);
                    if let Some(raw) = &payment.raw {
                        raws.push((subject, key, raw));
                    }
                    heads.insert(
                        place.clone(),
                        Head {
                            hash,
                            version,
                            n: n + 1,
                            requested_at: asked,
                            received_at,
                            contradicted_at: None,
                            here: true,
                        },
                    );
                    touched.insert(place);
                    met.new_facts += 1;
                    met.due.insert(subject);
                }
                Judgement::Same => {
                    met.unchanged += 1;
                    if let Some(head) = known {
                        if asked > head.requested_at {
                            head.requested_at = asked;
                            head.received_at = received_at;
                            head.version = head.version.max(version);
                            head.contradicted_at = None;
                            touched.insert(place);
                        }
                        head.here = true;
                    }
                }
                Judgement::Older => {
                    met.unchanged += 1;
                    if let Some(head) = known {
                        head.contradicted_at.get_or_insert(asked);
                        touched.insert(place);
                    }
                }
                Judgement::Stale => met.unchanged += 1,
            }
        }
    }
    insert_facts(tx, &rows, "pull", None, true).await?;
    write_heads(tx, &heads, &touched, &BTreeMap::new()).await?;
    write_raw_and_personal(tx, &raws, &[]).await?;
    sqlx::query!(
        "WITH found AS MATERIALIZED (SELECT DISTINCT * FROM unnest($1::smallint[], $2::text[], $3::bigint[]) AS t (a, k, s)),
         gone AS (DELETE FROM stray_payments p USING found t WHERE p.account_id = t.a AND p.key = t.k)
         INSERT INTO payment_names (account_id, kind, name, subject_id, learnt, live) SELECT t.a, 'key', t.k, t.s, true, (SELECT bool_or(n.live) FROM payment_names n WHERE n.subject_id = t.s AND n.account_id = t.a) FROM found t
         ORDER BY 1, 2, 3, 4 ON CONFLICT (account_id, kind, name, subject_id) DO NOTHING",
        &account,
        &key,
        &subjects
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
