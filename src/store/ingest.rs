//! Storing a page: facts that differ from their heads, quarantined records and the advanced cursor
//! commit together, or nothing does.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use hikiate_sdk::ChannelState;
use serde_json::Value;
use sqlx::{Postgres, Transaction};

use super::facts::{FactRows, insert_facts};
use super::heads::{SeriesKey, body_hash, fact_key, load_heads, write_heads};
use super::incoming::{IncomingFact, IncomingOrder, IncomingPage};
use super::judge::{Head, Judgement, judge};
use super::payments::Claimed;
use super::presence::Returned;
use super::quarantine::{Told, Understood, quarantine, settle};
use super::reads::read_orders_in;
use super::same_bytes::raw_hash;
use super::told::ToldBefore;
use super::{IncomingPayment, IncomingStock, Store, StoreError};
use crate::facts::FactBody;

/// What a stored page brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageDone {
    /// New facts.
    pub new_facts: usize,
    /// Records that say what is already known.
    pub unchanged: usize,
    /// Records put in quarantine, those already there included.
    pub quarantined: usize,
    /// Of them, those that are news: new in it, back in it, or other bytes than it had.
    pub quarantine_news: usize,
    /// Orders were found absent, or are shown again.
    pub absences: bool,
    /// Items came into being, for which orders may wait.
    pub new_items: bool,
}

impl PageDone {
    /// Adds what another page brought.
    pub(super) fn add(&mut self, other: Self) {
        self.new_facts += other.new_facts;
        self.unchanged += other.unchanged;
        self.quarantined += other.quarantined;
        self.quarantine_news += other.quarantine_news;
        self.absences |= other.absences;
        self.new_items |= other.new_items;
    }
}

impl Store {
    /// Locks what a page that is stored in parts will lock, in the order in which one that is stored at once does: the names of
    /// its payments, then the rows of all its orders and of those that are asked for, by their ids. Returns the rows of
    /// this account's orders with their ids there.
    pub(super) async fn lock_ahead(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        page: &IncomingPage,
        asked: &[String],
    ) -> Result<Vec<(i64, String)>, StoreError> {
        // What no text of the database can be names nothing in it; its own record is refused for it.
        let can_be = |text: &str| !text.contains('\0');
        let whole = |order: &&IncomingOrder| {
            let mut names = order.payments.iter().flatten();
            can_be(order.external_id.as_str()) && names.all(|name| can_be(&name.name))
        };
        let told = |payment: &&IncomingPayment| {
            let payment = &payment.fact.payment;
            can_be(payment.key.as_str()) && payment.reference.as_deref().is_none_or(can_be)
        };
        let orders: Vec<&IncomingOrder> = page.orders.iter().filter(whole).collect();
        let payments: Vec<IncomingPayment> = page.payments.iter().filter(told).cloned().collect();
        let meeting = Self::meet_page(tx, account_id, orders.iter().copied(), &payments).await?;
        let mut ids: Vec<i64> = meeting.subjects().collect();
        let mut names: Vec<String> = orders.iter().map(|o| o.external_id.to_string()).collect();
        names.extend(asked.iter().filter(|id| can_be(id)).cloned());
        let references = page.facts.iter().map(|fact| fact.reference.clone());
        let references: Vec<String> = references.filter(|name| can_be(name)).collect();
        if !references.is_empty() {
            let told = sqlx::query_scalar!(
                "SELECT subject_id FROM aliases WHERE account_id = $1 AND kind = 'shipment' AND external_id = ANY($2)",
                account_id,
                &references
            );
            ids.extend(told.fetch_all(&mut **tx).await?);
        }
        let rows = sqlx::query!(
            r#"SELECT id, external_id, account_id = $1 AND kind = 'order' AS "here!" FROM subjects
               WHERE id = ANY($3) OR (account_id = $1 AND kind = 'order' AND external_id = ANY($2)) ORDER BY id FOR NO KEY UPDATE"#,
            account_id, &names, &ids
        )
        .fetch_all(&mut **tx)
        .await?;
        let here = rows.into_iter().filter(|row| row.here);
        Ok(here.map(|row| (row.id, row.external_id)).collect())
    }

    /// Stores one page inside an open transaction that already holds its fence.
    pub(super) async fn store_page(
        tx: &mut Transaction<'_, Postgres>,
        account_id: i16,
        stream: &str,
        page: &IncomingPage,
    ) -> Result<PageDone, StoreError> {
        let mut done = PageDone::default();
        // What does not count settles nothing.
        let mut understood: Vec<Understood> = Vec::new();
        let mut bad = page.bad.clone();
        if let Some(counted) = Self::store_stock(tx, account_id, page).await? {
            let stands = |level: &&IncomingStock| counted.standing.contains(&level.code);
            let told = |level| Understood::item(level, page.requested_at);
            understood.extend(page.stock.iter().filter(stands).map(told));
            bad.extend(counted.unlisted);
            done.new_items = counted.new_items;
        }
        let same = Self::same_bytes(tx, account_id, page).await?;
        done.unchanged += same.len();
        let new_input = |order: &&IncomingOrder| !same.contains(order.external_id.as_str());
        if !page.orders.iter().any(|order| new_input(&order))
            && page.facts.is_empty()
            && page.payments.is_empty()
        {
            settle(tx, account_id, stream, &understood, &[], Told::NoEarlier).await?;
            done.quarantined = bad.len();
            done.quarantine_news =
                quarantine(tx, account_id, stream, &bad, Some(page.requested_at)).await?;
            if !bad.is_empty() {
                settle(tx, account_id, stream, &understood, &[], Told::Later).await?;
            }
            Self::end_listing(tx, account_id, stream, page).await?;
            return Ok(done);
        }

        // New subjects first, in external-id order; then every row of the page is locked in id order.
        let mut orders: BTreeMap<&str, Vec<&IncomingOrder>> = BTreeMap::new();
        for order in page.orders.iter().filter(new_input) {
            orders
                .entry(order.external_id.as_str())
                .or_default()
                .push(order);
        }
        let names: Vec<String> = orders.keys().map(|k| (*k).to_owned()).collect();
        let numbers: Vec<String> = orders
            .values()
            .filter_map(|o| o.first())
            .map(|o| o.number.clone())
            .collect();
        let new = page.orders.iter().filter(new_input);
        let meeting = Self::meet_page(tx, account_id, new, &page.payments).await?;
        if !names.is_empty() {
            sqlx::query!(
                "INSERT INTO subjects (kind, account_id, external_id, number, created_at)
                 SELECT 'order', $1, t.e, t.n, (SELECT hk_now()) FROM unnest($2::text[], $3::text[]) AS t (e, n) ORDER BY t.e
                 ON CONFLICT (account_id, kind, external_id) DO NOTHING",
                account_id, &names, &numbers
            )
            .execute(&mut **tx)
            .await?;
        }
        let references: Vec<String> = page
            .facts
            .iter()
            .map(|f| f.reference.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut subject_of_order: BTreeMap<String, (i64, bool)> = BTreeMap::new();
        let mut subject_of_reference: BTreeMap<String, i64> = BTreeMap::new();
        let mut ids: BTreeSet<i64> = meeting.subjects().collect();
        let mut purged: BTreeMap<i64, i32> = BTreeMap::new();
        if !references.is_empty() {
            for row in sqlx::query!(
                "SELECT external_id, subject_id FROM aliases WHERE account_id = $1 AND kind = 'shipment' AND external_id = ANY($2)",
                account_id, &references
            )
            .fetch_all(&mut **tx)
            .await?
            {
                ids.insert(row.subject_id);
                subject_of_reference.insert(row.external_id, row.subject_id);
            }
        }
        for row in sqlx::query!(
            r#"SELECT id, external_id, origin, account_id = $1 AND kind = 'order' AS "here!", purged_at IS NOT NULL AS "purged!" FROM subjects
             WHERE id = ANY($3) OR (account_id = $1 AND kind = 'order' AND external_id = ANY($2)) ORDER BY id FOR NO KEY UPDATE"#,
            account_id,
            &names,
            &ids.iter().copied().collect::<Vec<_>>()
        )
        .fetch_all(&mut **tx)
        .await?
        {
            ids.insert(row.id);
            // An order of another channel may have the same id there.
            if row.here {
                subject_of_order.insert(row.external_id, (row.id, row.origin == "placeholder"));
                if row.purged {
                    purged.insert(row.id, 0);
                }
            }
        }
        let ids: Vec<i64> = ids.into_iter().collect();

        let mut heads = load_heads(tx, &ids).await?;
        let placed = placed_at(tx, page, &subject_of_reference).await?;
        let mut before = ToldBefore::of(tx, page, &subject_of_reference).await?;
        let mut persons: BTreeMap<i64, (i32, Value)> = BTreeMap::new();
        if !names.is_empty() {
            for row in sqlx::query!(
                "SELECT DISTINCT ON (subject_id) subject_id, version, body FROM personal WHERE subject_id = ANY($1)
                 ORDER BY subject_id, version DESC",
                &ids
            )
            .fetch_all(&mut **tx)
            .await?
            {
                persons.insert(row.subject_id, (row.version, row.body));
            }
        }
        last_versions(tx, &mut purged).await?;
        let standing = sqlx::query!(
            r#"SELECT hk_now() AS "now!", p.subject_id AS "subject_id?", p.revision AS "revision?" FROM (SELECT) AS one
               LEFT JOIN presence p ON p.subject_id = ANY($1) AND p.misses > 0 AND p.requested_at <= $2"#,
            &ids,
            page.requested_at
        )
        .fetch_all(&mut **tx)
        .await?;
        let received_at = standing.first().ok_or(sqlx::Error::RowNotFound)?.now;
        let absent: BTreeMap<i64, i32> = standing
            .into_iter()
            .filter_map(|row| row.subject_id.zip(row.revision))
            .collect();

        let mut rows = FactRows::default();
        let mut raws: Vec<(i64, String, &[u8])> = Vec::new();
        let mut new_persons: Vec<(i64, i32, Value)> = Vec::new();
        let mut reread = BTreeSet::new();
        let mut lagging = BTreeSet::new();
        let mut read_first = BTreeSet::new();
        let mut touched: BTreeSet<SeriesKey> = BTreeSet::new();
        let mut raw_hashes: BTreeMap<SeriesKey, Vec<u8>> = BTreeMap::new();
        let mut claimed: Vec<Claimed<'_>> = Vec::new();
        let mut record = |subject: i64,
                          series: &str,
                          body: &FactBody,
                          version: Option<i64>,
                          happened: DateTime<Utc>,
                          date: NaiveDate,
                          raw,
                          again: bool|
         -> Result<Judgement, StoreError> {
            let json = body.to_json()?;
            let hash = body_hash(body, &json)?;
            let place = (subject, body.kind().to_owned(), series.to_owned());
            let judgement = judge(
                heads.get(&place),
                &hash,
                version,
                page.requested_at,
                received_at,
            );
            // A report is no state of something: one that was read beside another of its series tells as much as any.
            let report = !matches!(body, FactBody::Order(_));
            let judgement = match judgement {
                Judgement::Overlap if report => Judgement::New,
                Judgement::Same if again => Judgement::New,
                judged => judged,
            };
            let n = heads.get(&place).map_or(0, |h| h.n);
            if let (Some(lease), false, Judgement::New | Judgement::Same) =
                (page.read_by, report, judgement)
            {
                raw_hashes.insert(place.clone(), raw_hash(lease, raw));
            }
            match judgement {
                Judgement::New => {
                    let key = fact_key(body.kind(), series, n + 1);
                    rows.push(
                        subject,
                        key.clone(),
                        body,
                        json,
                        happened,
                        page.requested_at,
                        date,
                    );
                    raws.push((subject, key, raw));
                    heads.insert(
                        place.clone(),
                        Head {
                            hash,
                            version,
                            n: n + 1,
                            requested_at: page.requested_at,
                            received_at,
                            contradicted_at: None,
                            here: true,
                        },
                    );
                    touched.insert(place);
                }
                Judgement::Same => {
                    if let Some(head) = heads.get_mut(&place) {
                        if page.requested_at > head.requested_at {
                            head.requested_at = page.requested_at;
                            head.received_at = received_at;
                            head.version = head.version.max(version);
                            head.contradicted_at = None;
                            touched.insert(place);
                        }
                        head.here = true;
                    }
                }
                Judgement::Stale => {}
                Judgement::Overlap => {
                    reread.insert(subject);
                }
                Judgement::Older => {
                    if let Some(head) = heads.get_mut(&place) {
                        head.contradicted_at.get_or_insert(page.requested_at);
                        touched.insert(place);
                    }
                    lagging.insert(subject);
                }
            }
            Ok(judgement)
        };

        for (external_id, readings) in &orders {
            let Some(&(subject, stub)) = subject_of_order.get(*external_id) else {
                continue;
            };
            for order in readings {
                let body_json = serde_json::to_value(&order.personal)?;
                let known = persons.get(&subject);
                let kept = !purged.contains_key(&subject);
                let version = match (purged.get(&subject), known) {
                    // What it was cannot be compared any more, and what it is is not stored.
                    (Some(version), _) => *version,
                    (None, Some((version, body))) if *body == body_json => *version,
                    (None, Some((version, _))) => version + 1,
                    (None, None) => 1,
                };
                let mut fact = order.fact.clone();
                fact.personal_version = version;
                // Beside the reading and not in it: the same order changed again in nothing is the same reading.
                let far_version = fact
                    .order
                    .version
                    .take()
                    .and_then(|v| i64::try_from(v).ok());
                let verdict = record(
                    subject,
                    "",
                    &FactBody::Order(Box::new(fact)),
                    far_version,
                    order.happened_at,
                    order.business_date,
                    &order.raw,
                    false,
                )?;
                if let Some(names) = &order.payments
                    && matches!(verdict, Judgement::New | Judgement::Same)
                {
                    claimed.retain(|order| order.subject != subject);
                    claimed.push(Claimed {
                        subject,
                        names,
                        live: !matches!(order.fact.order.state, ChannelState::Cancelled { .. }),
                    });
                }
                if verdict == Judgement::New {
                    done.new_facts += 1;
                    if kept && known.is_none_or(|(v, _)| *v != version) {
                        persons.insert(subject, (version, body_json.clone()));
                        new_persons.push((subject, version, body_json));
                    }
                    if stub {
                        read_first.insert(subject);
                    }
                } else {
                    done.unchanged += 1;
                }
            }
        }
        let read = |name: &String| Understood::order(name, page.requested_at);
        understood.extend(names.iter().map(read));
        let mut raws_read: Vec<&[u8]> = Vec::new();
        let mut told_again: Vec<(i64, &IncomingFact)> = Vec::new();
        let mut with_news: BTreeSet<(&str, &str)> = BTreeSet::new();
        for fact in &page.facts {
            let subject = subject_of_reference.get(&fact.reference);
            let Some(&subject) = subject else {
                bad.push(fact.unknown());
                continue;
            };
            if let Some(placed) = placed.get(&subject)
                && let Some(early) = fact.before(*placed)
            {
                bad.push(early);
                continue;
            }
            // The same file again, whatever was told since: that takes nothing back.
            let again = before.again(subject, fact)?;
            let judged = if again {
                Judgement::Same
            } else {
                record(
                    subject,
                    &fact.series,
                    &fact.body,
                    None,
                    fact.happened_at,
                    fact.business_date,
                    &fact.source.raw,
                    before.is_new_input(subject, fact),
                )?
            };
            match judged {
                Judgement::New => {
                    done.new_facts += 1;
                    before.add(subject, &fact.body)?;
                    with_news.extend(fact.told_by());
                }
                Judgement::Same => {
                    done.unchanged += 1;
                    told_again.extend((!again).then_some((subject, fact)));
                }
                _ => done.unchanged += 1,
            }
            // What was not stored, and does not stand there already, settles nothing.
            if matches!(judged, Judgement::New | Judgement::Same) {
                let told = fact.source.told(page.requested_at);
                let part = |part: &String| Understood::part(&fact.reference, part, told);
                understood.extend(fact.parts.iter().map(part));
                raws_read.push(&fact.source.raw);
            }
        }

        for payment in &page.payments {
            let key = payment.fact.payment.key.as_str();
            understood.push(Understood::payment(key, page.requested_at));
            raws_read.push(&payment.raw);
        }

        // What a file repeats beside new input of the same shipment is kept with it: one file that tells two numbers tells two parcels.
        for (subject, fact) in told_again {
            if fact.told_by().is_some_and(|by| with_news.contains(&by)) {
                record(
                    subject,
                    &fact.series,
                    &fact.body,
                    None,
                    fact.happened_at,
                    fact.business_date,
                    &fact.source.raw,
                    true,
                )?;
            }
        }

        // Any sight of an order ends its absence, what it says or not.
        let returned: Vec<Returned> = orders
            .keys()
            .filter_map(|name| subject_of_order.get(*name))
            .filter_map(|(subject, _)| Some((*subject, *absent.get(subject)?)))
            .map(|(subject_id, n)| Returned {
                subject_id,
                n: n + 1,
            })
            .collect();
        for order in &returned {
            let (key, body) = order.fact();
            let json = body.to_json()?;
            let (asked, day) = (page.requested_at, page.day);
            rows.push(order.subject_id, key, &body, json, asked, asked, day);
        }
        Self::note_returned(tx, &returned).await?;
        done.absences = !returned.is_empty();
        let mut changed = rows.subjects();
        insert_facts(tx, &rows, "pull", None, true).await?;
        write_heads(tx, &heads, &touched, &raw_hashes).await?;
        write_raw_and_personal(tx, &raws, &new_persons).await?;
        let met = Self::hear_payments(
            tx,
            account_id,
            meeting,
            &claimed,
            &page.payments,
            (page.requested_at, page.day),
        )
        .await?;
        done.new_facts += met.new_facts;
        done.unchanged += met.unchanged;
        changed.extend(met.due);
        page_made_due(tx, &changed, &reread, &read_first).await?;
        // A lagging replica has caught up by then.
        let lagging: Vec<i64> = lagging.iter().copied().collect();
        read_orders_in(tx, &lagging, 30.0, "lagging").await?;
        settle(
            tx,
            account_id,
            stream,
            &understood,
            &raws_read,
            Told::NoEarlier,
        )
        .await?;
        done.quarantined = bad.len();
        done.quarantine_news =
            quarantine(tx, account_id, stream, &bad, Some(page.requested_at)).await?;
        if !bad.is_empty() {
            settle(tx, account_id, stream, &understood, &[], Told::Later).await?;
        }
        Ok(done)
    }
}

/// Under which version each of these purged orders was told last.
async fn last_versions(
    tx: &mut Transaction<'_, Postgres>,
    purged: &mut BTreeMap<i64, i32>,
) -> Result<(), StoreError> {
    if purged.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = purged.keys().copied().collect();
    let told = sqlx::query!(
        r#"SELECT DISTINCT ON (subject_id) subject_id, coalesce((body ->> 'personal_version')::int, 0) AS "version!" FROM facts
           WHERE subject_id = ANY($1) AND kind = 'order' ORDER BY subject_id, id DESC"#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?;
    purged.extend(told.into_iter().map(|row| (row.subject_id, row.version)));
    Ok(())
}

/// When the orders were placed whose parcels a page tells: at the latest when they were first read, whatever the shop's clock says.
async fn placed_at(
    tx: &mut Transaction<'_, Postgres>,
    page: &IncomingPage,
    subjects: &BTreeMap<String, i64>,
) -> Result<BTreeMap<i64, DateTime<Utc>>, StoreError> {
    let parcels = page
        .facts
        .iter()
        .filter(|fact| matches!(fact.body, FactBody::Parcel(_)));
    let ids: BTreeSet<i64> = parcels
        .filter_map(|fact| subjects.get(&fact.reference).copied())
        .collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ids: Vec<i64> = ids.into_iter().collect();
    Ok(sqlx::query!(
        r#"SELECT subject_id, min(least(happened_at, recorded_at)) AS "placed!" FROM facts WHERE subject_id = ANY($1) AND kind = 'order' GROUP BY subject_id"#,
        &ids
    )
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|row| (row.subject_id, row.placed))
    .collect())
}

/// What has changed is planned; what was read while it changed is read again.
pub(super) async fn page_made_due(
    tx: &mut Transaction<'_, Postgres>,
    changed: &BTreeSet<i64>,
    reread: &BTreeSet<i64>,
    read_first: &BTreeSet<i64>,
) -> Result<(), StoreError> {
    let due: BTreeSet<i64> = changed.union(reread).copied().collect();
    if due.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE subjects s SET plan_at = (SELECT hk_now()), plan_class = 0, origin = CASE WHEN s.id = ANY($2) THEN 'live' ELSE s.origin END
             FROM unnest($1::bigint[]) AS t (id) WHERE s.id = t.id",
        &due.into_iter().collect::<Vec<_>>(),
        &read_first.iter().copied().collect::<Vec<_>>()
    )
    .execute(&mut **tx)
    .await?;
    let reread: Vec<i64> = reread.iter().copied().collect();
    read_orders_in(tx, &reread, 0.0, "overlap").await?;
    Ok(())
}

/// Writes what names somebody, except of orders that are purged: the caller has locked them.
pub(super) async fn write_raw_and_personal(
    tx: &mut Transaction<'_, Postgres>,
    raws: &[(i64, String, &[u8])],
    persons: &[(i64, i32, Value)],
) -> Result<(), StoreError> {
    if !raws.is_empty() {
        let subject: Vec<i64> = raws.iter().map(|r| r.0).collect();
        let key: Vec<String> = raws.iter().map(|r| r.1.clone()).collect();
        let body: Vec<Vec<u8>> = raws.iter().map(|r| r.2.to_vec()).collect();
        sqlx::query!(
            "INSERT INTO raw_payloads (subject_id, key, stored_at, body)
             SELECT t.s, t.k, (SELECT hk_now()), t.b FROM unnest($1::bigint[], $2::text[], $3::bytea[]) AS t (s, k, b)
             WHERE NOT EXISTS (SELECT FROM subjects o WHERE o.id = t.s AND o.purged_at IS NOT NULL)",
            &subject, &key, &body
        )
        .execute(&mut **tx)
        .await?;
    }
    if !persons.is_empty() {
        let subject: Vec<i64> = persons.iter().map(|r| r.0).collect();
        let version: Vec<i32> = persons.iter().map(|r| r.1).collect();
        let body: Vec<Value> = persons.iter().map(|r| r.2.clone()).collect();
        sqlx::query!(
            "INSERT INTO personal (subject_id, version, body, stored_at)
             SELECT t.s, t.v, t.b, (SELECT hk_now()) FROM unnest($1::bigint[], $2::int[], $3::jsonb[]) AS t (s, v, b)
             WHERE NOT EXISTS (SELECT FROM subjects o WHERE o.id = t.s AND o.purged_at IS NOT NULL)",
            &subject, &version, &body
        )
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}
