//! Claiming due subjects (statement 1 locks) and loading what planning needs (later statements, so that
//! they see everything that was committed before the lock was granted).

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use hikiate_sdk::{AccountSlug, ExternalId, LineKey, Op, Personal, ShipmentReference};
use sqlx::{Postgres, Transaction};

use super::facts::load_words;
use super::setup::CODE_LEVEL;
use super::{Directory, Store, StoreError};
use crate::facts::{Fact, FactBody, UnknownFact};
use crate::plan::types::{
    DataLoss, DemandState, DepositBooks, EffectState, ItemRef, OrderInput, Origin, QueuedEffect,
    RevenueKind, RevenueRow, ShipmentStage, ShipmentState, TaxOf, UnrecordedShipment,
};

/// Claimed subjects, loaded. One that this binary cannot read carries its reason.
#[derive(Debug, Default)]
pub struct Claimed {
    /// Orders.
    pub orders: Vec<(i64, i16, Result<OrderInput, UnknownFact>)>,
    /// Batches.
    pub batches: Vec<BatchInput>,
    /// Everything claimed, orders and batches included.
    pub ids: Vec<i64>,
    /// Now, by the database's clock.
    pub now: DateTime<Utc>,
}

/// A batch as loaded for planning.
#[derive(Clone, Debug)]
pub struct BatchInput {
    /// Row id.
    pub subject_id: i64,
    /// Account row.
    pub account_id: i16,
    /// The batch's name.
    pub name: String,
    /// Our number of it.
    pub number: String,
    /// `instruct` or `journal`.
    pub kind: String,
    /// `open`, `sealed`, `done`, `empty`.
    pub state: String,
    /// Rows in the queue.
    pub queued: bool,
    /// The row in the queue whose outcome is unknown.
    pub unresolved: Option<i64>,
    /// What the last attempt of that failed with.
    pub error: Option<String>,
    /// In stored order.
    pub facts: Vec<Fact>,
}

fn stage(word: &str) -> ShipmentStage {
    match word {
        "instructed" => ShipmentStage::Instructed,
        "cancelled" => ShipmentStage::Cancelled,
        "rejected" => ShipmentStage::Rejected,
        "shipped" => ShipmentStage::Shipped,
        _ => ShipmentStage::Waiting,
    }
}

pub(super) fn stage_word(stage: ShipmentStage) -> &'static str {
    match stage {
        ShipmentStage::Waiting => "waiting",
        ShipmentStage::Instructed => "instructed",
        ShipmentStage::Cancelled => "cancelled",
        ShipmentStage::Rejected => "rejected",
        ShipmentStage::Shipped => "shipped",
    }
}

pub(super) fn effect_state(word: &str) -> EffectState {
    match word {
        "leased" => EffectState::Leased,
        "sending" => EffectState::Sending,
        "unresolved" => EffectState::Unresolved,
        _ => EffectState::Planned,
    }
}

/// See [`Store::load_looks`].
#[derive(Default)]
struct Looks {
    counted: BTreeMap<(i64, String), DateTime<Utc>>,
    many_changes: BTreeSet<ShipmentReference>,
}

impl Store {
    /// Locks up to `limit` due orders of one plan class; others that are locked are left to their owners, and
    /// suspects are planned alone. Nothing while another policy is in force: then this process pulls and pushes, and
    /// leaves planning to whoever has that one.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim_due(
        tx: &mut Transaction<'_, Postgres>,
        class: i16,
        limit: i64,
        policy_id: i32,
    ) -> Result<Vec<i64>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT id FROM subjects WHERE kind = 'order' AND plan_class = $1 AND plan_at <= (SELECT hk_now())
               AND EXISTS (SELECT FROM gate WHERE min_code <= $2 AND policy_id = $4) AND id NOT IN (SELECT subject_id FROM plan_suspects)
             ORDER BY plan_class, plan_at, id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED",
            class, CODE_LEVEL, limit, policy_id
        )
        .fetch_all(&mut **tx)
        .await?)
    }

    /// Loads subjects whose rows this transaction has locked (or, for `explain`, may see).
    ///
    /// # Errors
    /// The database's.
    pub async fn load(
        tx: &mut Transaction<'_, Postgres>,
        ids: &[i64],
        directory: &Directory,
    ) -> Result<Claimed, StoreError> {
        let mut claimed = Claimed {
            ids: ids.to_vec(),
            ..Claimed::default()
        };
        if ids.is_empty() {
            return Ok(claimed);
        }
        let mut facts: BTreeMap<i64, Result<Vec<Fact>, UnknownFact>> = BTreeMap::new();
        let mut words = load_words(tx, ids).await?;
        // As text: the tree of a body takes many times its bytes, and one of a batch's thousands is enough at a time.
        for row in sqlx::query!(
            r#"SELECT subject_id, id, key, kind, version, body::text AS "body!", happened_at, recorded_at, business_date, actor
             FROM facts WHERE subject_id = ANY($1) ORDER BY subject_id, id"#,
            ids
        )
        .fetch_all(&mut **tx)
        .await?
        {
            let list = facts.entry(row.subject_id).or_insert_with(|| Ok(Vec::new()));
            let place = (row.subject_id, row.key);
            let said = words.remove(&place);
            match FactBody::read_with(&row.kind, row.version, &row.body, said) {
                Ok(body) => {
                    if let Ok(list) = list {
                        list.push(Fact {
                            id: row.id,
                            key: place.1,
                            body,
                            happened_at: row.happened_at,
                            recorded_at: row.recorded_at,
                            business_date: row.business_date,
                            actor: row.actor,
                        });
                    }
                }
                Err(unknown) => *list = Err(unknown),
            }
        }
        let mut queue: BTreeMap<i64, Vec<QueuedEffect>> = BTreeMap::new();
        for row in sqlx::query!(
            "SELECT e.id, e.subject_id, e.account_id, e.op, e.state, e.outcome_unknown, e.error, f.key FROM effects e JOIN facts f ON f.id = e.intent_id
             WHERE e.subject_id = ANY($1) ORDER BY e.id",
            ids
        )
        .fetch_all(&mut **tx)
        .await?
        {
            let Some(op) = Op::parse(&row.op) else { continue };
            queue.entry(row.subject_id).or_default().push(QueuedEffect {
                id: row.id,
                account: directory.slug(row.account_id)?.clone(),
                op,
                key: row.key,
                state: effect_state(&row.state),
                outcome_unknown: row.outcome_unknown,
                error: row.error,
            });
        }
        let subjects = sqlx::query!(
            r#"SELECT s.id, s.kind, s.account_id, s.external_id, s.number, s.origin, s.created_at, s.purged_at IS NOT NULL AS "purged!", (SELECT r.due_at FROM reads r WHERE r.account_id = s.account_id AND r.kind = 'order' AND r.external_id = s.external_id) AS read_at, s.planned_fact, (SELECT w.at_once FROM channel_window w WHERE w.subject_id = s.id) AS at_once,
                 b.kind AS "batch_kind?", b.state AS "batch_state?"
               FROM subjects s LEFT JOIN batches b ON b.subject_id = s.id WHERE s.id = ANY($1) ORDER BY s.id"#,
            ids
        )
        .fetch_all(&mut **tx)
        .await?;
        let orders: Vec<i64> = subjects
            .iter()
            .filter(|s| s.kind == "order")
            .map(|s| s.id)
            .collect();

        let mut demands: BTreeMap<i64, Vec<DemandState>> = BTreeMap::new();
        let mut shipments: BTreeMap<i64, Vec<ShipmentState>> = BTreeMap::new();
        let mut revenue: BTreeMap<i64, Vec<RevenueRow>> = BTreeMap::new();
        let mut deposit_books: BTreeMap<i64, DepositBooks> = BTreeMap::new();
        let mut persons: BTreeMap<i64, Personal> = BTreeMap::new();
        let mut codes: BTreeMap<(i16, String), ItemRef> = BTreeMap::new();
        let mut shared = BTreeMap::new();
        let mut lost: BTreeMap<String, Vec<UnrecordedShipment>> = BTreeMap::new();
        let mut lookups = BTreeMap::new();
        let mut claims = BTreeMap::new();
        let circumstances = Self::circumstances(tx, directory).await?;
        let begins = Self::begins(tx).await?;
        claimed.now = circumstances.now;
        let mut untold = Vec::new();
        if circumstances.epoch > 0 {
            let numbers: Vec<String> = subjects.iter().map(|s| s.number.clone()).collect();
            lost = Self::load_lost(tx, directory, &numbers).await?;
            for row in sqlx::query!("SELECT account_id FROM recovery_queries WHERE op = 'instruct' AND NOT can_list AND epoch = $1 ORDER BY account_id", circumstances.epoch)
                .fetch_all(&mut **tx)
                .await?
            {
                untold.push(directory.slug(row.account_id)?.clone());
            }
        }
        if !orders.is_empty() {
            for row in sqlx::query!(
                r#"SELECT d.id, d.subject_id, d.line_key, d.item_id, d.required_qty, d.shipped_qty, d.by_others, d.firm,
                     r.location_id AS "location_id?", r.qty AS "qty?", r.firm AS "reserved_firm?",
                     EXISTS (SELECT FROM allocation_requests a WHERE a.demand_id = d.id) AS "requested!"
                   FROM demands d LEFT JOIN reservations r ON r.demand_id = d.id AND r.item_id = d.item_id WHERE d.subject_id = ANY($1) ORDER BY d.id, r.location_id"#,
                &orders
            )
            .fetch_all(&mut **tx)
            .await?
            {
                let list = demands.entry(row.subject_id).or_default();
                if list.last().is_none_or(|d| d.id != row.id) {
                    list.push(DemandState {
                        id: row.id,
                        line: LineKey::new(row.line_key),
                        item_id: row.item_id,
                        wanted: unsigned(row.required_qty),
                        shipped: unsigned(row.shipped_qty),
                        by_others: unsigned(row.by_others),
                        firm: row.firm,
                        reserved: Vec::new(),
                        requested: row.requested,
                    });
                }
                if let (Some(location), Some(qty), Some(firm), Some(demand)) = (row.location_id, row.qty, row.reserved_firm, list.last_mut()) {
                    demand.reserved.push((directory.location_name(location)?.to_owned(), unsigned(qty), firm));
                }
            }
            for row in sqlx::query!("SELECT subject_id, reference, state FROM shipments WHERE subject_id = ANY($1) ORDER BY id", &orders)
                .fetch_all(&mut **tx)
                .await?
            {
                shipments
                    .entry(row.subject_id)
                    .or_default()
                    .push(ShipmentState { reference: ShipmentReference::new(row.reference), state: stage(&row.state) });
            }
            for row in sqlx::query!(
                "SELECT subject_id, key, business_date, payment, currency, kind, tax_rate_bp, tax_country, tax_class, gross, tax, derived, step, recorded_at FROM revenue_events
                 WHERE subject_id = ANY($1) ORDER BY id",
                &orders
            )
            .fetch_all(&mut **tx)
            .await?
            {
                let Ok(currency) = row.currency.parse() else { continue };
                revenue.entry(row.subject_id).or_default().push(RevenueRow {
                    key: row.key,
                    business_date: row.business_date,
                    payment: row.payment,
                    currency,
                    kind: RevenueKind::of(&row.kind),
                    step: row.step,
                    tax_of: TaxOf {
                        rate_bp: row.tax_rate_bp,
                        country: row.tax_country.unwrap_or_default(),
                        class: row.tax_class.unwrap_or_default(),
                    },
                    gross: row.gross,
                    tax: row.tax,
                    derived: row.derived,
                    recorded_at: row.recorded_at,
                });
            }
            deposit_books = Self::load_deposit_books(tx, &orders).await?;
            persons = Self::load_personal(tx, &orders).await?;
            claims = Self::load_claims(tx, &paid_elsewhere(&facts), directory).await?;
            lookups = Self::load_looks(tx, &facts).await?;
            shared = Self::load_shared(tx, &facts, &persons).await?;
            codes = Self::load_codes(
                tx,
                directory,
                &facts,
                &subjects.iter().map(|s| (s.id, s.account_id)).collect(),
            )
            .await?;
        }

        for row in subjects {
            let list = facts.remove(&row.id).unwrap_or_else(|| Ok(Vec::new()));
            if let (Some(kind), Some(state)) = (row.batch_kind, row.batch_state) {
                let queued = queue.remove(&row.id).unwrap_or_default();
                let mut unknown = queued.iter();
                let unknown = unknown.find(|e| e.state == EffectState::Unresolved);
                claimed.batches.push(BatchInput {
                    subject_id: row.id,
                    account_id: row.account_id,
                    name: row.external_id,
                    number: row.number,
                    kind,
                    state,
                    queued: queued.iter().any(|e| e.state != EffectState::Unresolved),
                    unresolved: unknown.map(|e| e.id),
                    error: unknown.and_then(|e| e.error.clone()),
                    facts: list.unwrap_or_default(),
                });
                continue;
            }
            if row.kind != "order" {
                continue;
            }
            let input = list.and_then(|facts| {
                let channel = directory.slug(row.account_id).map_err(|e| UnknownFact {
                    kind: "account".to_owned(),
                    version: 0,
                    reason: e.to_string(),
                })?;
                let items = codes
                    .range((row.account_id, String::new())..)
                    .take_while(|((account, _), _)| *account == row.account_id)
                    .filter(|((_, code), _)| names_code(&facts, code))
                    .map(|((_, code), item)| (code.clone(), item.clone()))
                    .collect();
                let new_input = facts
                    .iter()
                    .rev()
                    .take_while(|fact| fact.id > row.planned_fact)
                    .any(Fact::is_new_input);
                let look: Looks = lookups.remove(&row.id).unwrap_or_default();
                let mut meant = BTreeMap::new();
                for (account, code) in parcel_codes(&facts) {
                    let Ok(id) = directory.account(&account) else {
                        continue;
                    };
                    if let Some(item) = codes.get(&(id, code.clone())) {
                        meant.insert((account, code), item.clone());
                    }
                }
                Ok(OrderInput {
                    subject_id: row.id,
                    channel: channel.clone(),
                    external_id: ExternalId::new(row.external_id),
                    lost: DataLoss {
                        epoch: circumstances.epoch,
                        lifted_at: circumstances.lifted_at,
                        reading: circumstances.reading,
                        found: lost.remove(&row.number).unwrap_or_default(),
                        untold: if circumstances
                            .lifted_at
                            .is_none_or(|at| row.created_at <= at)
                        {
                            untold.clone()
                        } else {
                            Vec::new()
                        },
                    },
                    number: row.number,
                    read_at: row.read_at,
                    hidden: circumstances.hidden.contains(&row.account_id),
                    origin: match row.origin.as_str() {
                        "live" => Origin::Live,
                        "history" => Origin::History,
                        _ => Origin::Placeholder,
                    },
                    facts,
                    personal: persons.remove(&row.id),
                    purged: row.purged,
                    queue: queue.remove(&row.id).unwrap_or_default(),
                    demands: demands.remove(&row.id).unwrap_or_default(),
                    shipments: shipments.remove(&row.id).unwrap_or_default(),
                    revenue: revenue.remove(&row.id).unwrap_or_default(),
                    deposit_books: deposit_books.remove(&row.id).unwrap_or_default(),
                    items,
                    codes: meant,
                    active_from: circumstances.active_from.clone(),
                    paused: circumstances.paused.clone(),
                    stops: circumstances.stops.clone(),
                    new_input,
                    counted: look.counted,
                    many_changes: look.many_changes,
                    shared: shared.remove(&row.id).unwrap_or_default(),
                    channel_alarm: circumstances.alarms.contains(&row.account_id),
                    not_written: Vec::new(),
                    at_once: row.at_once,
                    field_key: circumstances.field_key.clone(),
                    begin: begins
                        .get(&row.account_id)
                        .map(|channel| channel.begin(row.created_at))
                        .unwrap_or_default(),
                    claims: claims.remove(&row.id).unwrap_or_default(),
                    payments: None,
                })
            });
            claimed.orders.push((row.id, row.account_id, input));
        }
        Ok(claimed)
    }

    /// What orders need to know that only some of them ask for.
    async fn load_looks(
        tx: &mut Transaction<'_, Postgres>,
        facts: &BTreeMap<i64, Result<Vec<Fact>, UnknownFact>>,
    ) -> Result<BTreeMap<i64, Looks>, StoreError> {
        let mut lookups: BTreeMap<i64, Looks> = BTreeMap::new();
        let (mut subject, mut item, mut place) = (Vec::new(), Vec::new(), Vec::new());
        let mut changed = BTreeMap::new();
        for (id, list) in facts {
            for fact in list.iter().flatten() {
                match &fact.body {
                    FactBody::ExternalShipment(shipment) if !shipment.place_known => {
                        for (warehouse, _) in &shipment.places {
                            subject.push(*id);
                            item.push(shipment.item_id);
                            place.push(warehouse.clone());
                        }
                    }
                    // Only how each stands now counts.
                    FactBody::ChangeSeen(seen) => {
                        changed.insert(&seen.reference, (fact.id, seen.recall));
                    }
                    _ => {}
                }
            }
        }
        if !subject.is_empty() {
            for row in sqlx::query!(
                r#"SELECT t.s AS "subject!", t.i AS "item!", t.p AS "place!", k.counted_at AS "counted_at!"
                   FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS t (s, i, p)
                   JOIN locations l ON l.slug = t.p JOIN stock_levels k ON k.item_id = t.i AND k.location_id = l.id"#,
                &subject, &item, &place
            )
            .fetch_all(&mut **tx)
            .await?
            {
                let look = lookups.entry(row.subject).or_default();
                look.counted.insert((row.item, row.place), row.counted_at);
            }
        }
        let changed: Vec<i64> = changed
            .into_values()
            .filter_map(|(id, recall)| recall.then_some(id))
            .collect();
        if !changed.is_empty() {
            for row in sqlx::query!(
                r#"WITH seen AS MATERIALIZED (SELECT DISTINCT body ->> 'account' AS account, recorded_at FROM facts WHERE id = ANY($1))
                   SELECT f.subject_id, f.body ->> 'reference' AS "reference!" FROM facts f
                   WHERE f.id = ANY($1) AND (f.body ->> 'account', f.recorded_at) IN (SELECT account, recorded_at FROM seen WHERE hk_many_changes(account, recorded_at))"#,
                &changed
            )
            .fetch_all(&mut **tx)
            .await?
            {
                let look = lookups.entry(row.subject_id).or_default();
                look.many_changes.insert(ShipmentReference::new(row.reference));
            }
        }
        Ok(lookups)
    }

    /// The newest personal row of each order.
    pub(super) async fn load_personal(
        tx: &mut Transaction<'_, Postgres>,
        orders: &[i64],
    ) -> Result<BTreeMap<i64, Personal>, StoreError> {
        let mut persons = BTreeMap::new();
        for row in sqlx::query!(
            "SELECT DISTINCT ON (subject_id) subject_id, body FROM personal WHERE subject_id = ANY($1) ORDER BY subject_id, version DESC",
            orders
        )
        .fetch_all(&mut **tx)
        .await?
        {
            persons.insert(row.subject_id, serde_json::from_value(row.body)?);
        }
        Self::apply_names(tx, orders, &mut persons).await?;
        Ok(persons)
    }

    async fn load_codes(
        tx: &mut Transaction<'_, Postgres>,
        directory: &Directory,
        facts: &BTreeMap<i64, Result<Vec<Fact>, UnknownFact>>,
        accounts: &BTreeMap<i64, i16>,
    ) -> Result<BTreeMap<(i16, String), ItemRef>, StoreError> {
        let mut wanted = BTreeSet::new();
        for (subject, list) in facts {
            let (Some(account), Ok(list)) = (accounts.get(subject), list) else {
                continue;
            };
            for (account, code) in parcel_codes(list) {
                // One that is not configured any more has no codes.
                if let Ok(account) = directory.account(&account) {
                    wanted.insert((account, code));
                }
            }
            for fact in list {
                if let FactBody::Order(order) = &fact.body {
                    wanted.extend(
                        order
                            .order
                            .lines
                            .iter()
                            .filter_map(|l| l.sku.clone())
                            .map(|sku| (*account, sku)),
                    );
                }
            }
        }
        Self::items_of(tx, &wanted).await
    }

    /// The items behind codes of accounts.
    pub(super) async fn items_of(
        tx: &mut Transaction<'_, Postgres>,
        wanted: &BTreeSet<(i16, String)>,
    ) -> Result<BTreeMap<(i16, String), ItemRef>, StoreError> {
        let account: Vec<i16> = wanted.iter().map(|w| w.0).collect();
        let code: Vec<String> = wanted.iter().map(|w| w.1.clone()).collect();
        let mut codes = BTreeMap::new();
        for row in sqlx::query!(
            r#"SELECT t.a AS "account!", t.c AS "code!", i.id AS "item_id!", coalesce(m.multiplier, 1) AS "multiplier!", i.kind AS "kind!"
               FROM unnest($1::smallint[], $2::text[]) AS t (a, c)
               LEFT JOIN item_codes m ON m.account_id = t.a AND m.code = t.c
               JOIN items i ON i.id = m.item_id OR (m.item_id IS NULL AND i.code = t.c AND NOT (SELECT listed FROM gate))"#,
            &account, &code
        )
        .fetch_all(&mut **tx)
        .await?
        {
            codes.insert(
                (row.account, row.code),
                ItemRef { item_id: row.item_id, multiplier: unsigned(row.multiplier), stocked: row.kind == "stock" },
            );
        }
        Ok(codes)
    }
}

/// Orders that name a payment at another account, or have one.
fn paid_elsewhere(facts: &BTreeMap<i64, Result<Vec<Fact>, UnknownFact>>) -> Vec<i64> {
    let named = |fact: &Fact| match &fact.body {
        FactBody::Order(order) => {
            let mut tenders = order.order.tenders.iter();
            tenders.any(|tender| tender.provider.is_some())
        }
        FactBody::Payment(_) => true,
        _ => false,
    };
    let orders = facts.iter();
    let orders = orders.filter(|(_, list)| list.iter().flatten().any(named));
    orders.map(|(id, _)| *id).collect()
}

/// The codes that warehouses' reports of an order name, with the accounts that they are of.
fn parcel_codes(facts: &[Fact]) -> BTreeSet<(AccountSlug, String)> {
    let mut accounts = BTreeMap::new();
    for fact in facts {
        if let FactBody::Shipment(shipment) = &fact.body {
            accounts.insert(&shipment.reference, &shipment.account);
        }
    }
    let mut codes = BTreeSet::new();
    for fact in facts {
        let FactBody::Parcel(report) = &fact.body else {
            continue;
        };
        let Some(account) = accounts.get(&report.reference) else {
            continue;
        };
        let named = report.codes();
        codes.extend(named.map(|code| ((*account).clone(), code.to_owned())));
    }
    codes
}

fn names_code(facts: &[Fact], code: &str) -> bool {
    facts.iter().any(|f| match &f.body {
        FactBody::Order(order) => order
            .order
            .lines
            .iter()
            .any(|l| l.sku.as_deref() == Some(code)),
        _ => false,
    })
}

pub(super) fn unsigned(value: i32) -> u32 {
    u32::try_from(value).unwrap_or(0)
}
