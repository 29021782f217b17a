//! In the end: is everything there, once, and right? By what the external systems remember.

use std::collections::BTreeMap;

use super::orders::{Act, Goods, NAMES, Pay, Placed};
use super::seen::Seen;
use super::settle::PATIENCE;
use super::world::World;

/// Rows that must not be left when everything has come to rest.
const LEFT_OVER: &str = r"
SELECT s.number || ' (' || s.kind || ', ' || s.status || ') still has ' || e.op || ' to account ' || e.account_id || ' ' || e.state || coalesce(': ' || e.error, '')
  FROM effects e JOIN subjects s ON s.id = e.subject_id
UNION ALL
SELECT s.number || ' is ' || s.status || ' and holds ' || r.qty || ' of item ' || r.item_id
  FROM reservations r JOIN demands d ON d.id = r.demand_id JOIN subjects s ON s.id = d.subject_id
  WHERE s.status IN ('cancelled', 'booked', 'delivered', 'shipped')
UNION ALL
SELECT 'item ' || k.item_id || ' at ' || k.location_id || ': on hand ' || k.on_hand || ', reserved ' || k.reserved_qty
  FROM (SELECT t.item_id, t.location_id,
          hk_on_hand(t.item_id, t.location_id) AS on_hand,
          coalesce((SELECT sum(r.qty) FROM reservations r WHERE r.item_id = t.item_id AND r.location_id = t.location_id), 0) AS reserved_qty
        FROM stock_levels t) k
  WHERE k.reserved_qty > 0 AND k.reserved_qty > k.on_hand
UNION ALL
SELECT s.number || ' is ' || s.status || ', due since ' || s.plan_at FROM subjects s WHERE s.plan_at <= (SELECT hk_now())
UNION ALL
SELECT 'mark ' || m.id || ' of item ' || m.item_id || ' was left' FROM allocation_requests m
";

/// Orders with an instruction after a reading that shows all that was ordered as shipped by others.
const SEALED_TOO_LATE: &str = r"
SELECT DISTINCT s.number FROM subjects s JOIN facts o ON o.subject_id = s.id AND o.kind = 'order'
  JOIN facts m ON m.subject_id = s.id AND m.kind = 'intent' AND m.id > o.id AND m.key LIKE 'instruct:%'
WHERE (SELECT sum((l ->> 'quantity')::int) FROM jsonb_array_elements(o.body #> '{order,lines}') l)
  <= (SELECT sum((u ->> 1)::int) FROM jsonb_array_elements(o.body #> '{order,fulfilments}') f, jsonb_array_elements(f -> 'lines') u
      WHERE f ->> 'reference' IS NULL AND f ->> 'shipped_at' IS NOT NULL AND f ->> 'cancelled_at' IS NULL)";

/// Facts that name somebody: no reason that somebody types does.
const NAMED: &str = r"
SELECT s.number || ': ' || f.key || ' names somebody: ' || f.body::text FROM facts f JOIN subjects s ON s.id = f.subject_id
WHERE f.body::text ~ $1";

/// Tasks that say why a refund, or its record, was not made.
const NOT_MADE: [&str; 4] = [
    "refund_rejected",
    "refunded_meanwhile",
    "refund_exceeds_captured",
    "refund_record_rejected",
];

/// What the database says of an order.
struct Known {
    status: String,
    closed: bool,
    blocked: Option<String>,
    /// What became of the last note of its holds.
    note: Option<String>,
    revenue: i64,
    /// Refunds of ours that count as made.
    refunds: usize,
}

impl World {
    /// Judges what has come to rest.
    pub(super) async fn judge(&mut self) {
        self.look().await;
        let left_over: Vec<String> = sqlx::query_scalar(LEFT_OVER)
            .fetch_all(&self.admin)
            .await
            .unwrap();
        let named: Vec<String> = sqlx::query_scalar(NAMED)
            .bind(NAMES.join("|"))
            .fetch_all(&self.admin)
            .await
            .unwrap();
        for what in left_over.into_iter().chain(named) {
            self.violated(what);
        }
        let known = self.known().await;
        let tasks: Vec<(String, String)> = self
            .engine
            .store
            .list_tasks()
            .await
            .unwrap()
            .into_iter()
            .map(|t| (t.subject, t.kind))
            .collect();
        for (subject, kind) in &tasks {
            self.log.say("task", format!("{subject} {kind}"));
        }
        self.flagged.extend(tasks.iter().cloned());
        let left = self.left();
        let quarantined: Vec<Option<String>> =
            sqlx::query_scalar("SELECT external_id FROM quarantine")
                .fetch_all(&self.admin)
                .await
                .unwrap();
        for order in self.orders.clone() {
            if order.undecodable {
                if !quarantined.iter().flatten().any(|id| *id == order.id) {
                    self.violated(format!("{} is neither stored nor in quarantine", order.id));
                }
                continue;
            }
            let Some(known) = known.get(&order.number) else {
                self.violated(format!("{} ({}) is not stored", order.id, order.number));
                continue;
            };
            let none = Goods::new();
            let gone = left.get(&order.number).unwrap_or(&none);
            self.log.say(
                "end",
                format!(
                    "{} {} {:?}, shipped {gone:?}, revenue {}",
                    order.number, known.status, known.blocked, known.revenue
                ),
            );
            let open = tasks.iter().any(|(subject, _)| *subject == order.number);
            for what in self.verdict(&order, known, gone, open) {
                self.violated(format!("{} ({}): {what}", order.number, known.status));
            }
        }
        self.books(&known, &left).await;
        self.sealed_too_late().await;
        self.settled(&tasks);
    }

    /// One task per order and cause, and none that is still there though what it says was done again and again.
    fn settled(&mut self, tasks: &[(String, String)]) {
        for (subject, kind) in tasks {
            let same = tasks.iter().filter(|(of, k)| of == subject && k == kind);
            if same.count() > 1 {
                self.violated(format!("{subject}: {kind} is a task twice"));
            }
            let task = (subject.clone(), kind.clone());
            let tries = self.tries.get(&task).copied().unwrap_or(0);
            if tries >= PATIENCE {
                self.violated(format!(
                    "{subject}: the instructions of {kind} were followed {tries} times, and the task is still open"
                ));
            }
        }
    }

    /// Nothing is sealed of an order that was read as shipped by hand as a whole, and not changed since.
    async fn sealed_too_late(&mut self) {
        let numbers: Vec<String> = sqlx::query_scalar(SEALED_TOO_LATE)
            .fetch_all(&self.admin)
            .await
            .unwrap();
        for number in numbers {
            let order = self.orders.iter().find(|order| order.number == number);
            let changed = [Act::Unfulfilled, Act::Edited];
            if order.is_some_and(|order| changed.iter().all(|act| !order.acts.contains(act))) {
                self.violated(format!(
                    "{number} was sealed after it was fetched as shipped by hand"
                ));
            }
        }
    }

    async fn known(&self) -> BTreeMap<String, Known> {
        type Row = (
            String,
            String,
            bool,
            Option<String>,
            Option<String>,
            i64,
            i64,
        );
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT s.number, s.status, s.closed_at IS NOT NULL, s.blocked_by,
               (SELECT f.body->>'verdict' FROM facts f WHERE f.subject_id = s.id AND f.kind = 'outcome' AND f.key LIKE 'annotate:%'
                AND f.body->>'verdict' NOT IN ('withdrawn', 'evidence') ORDER BY f.id DESC LIMIT 1),
               coalesce((SELECT sum(e.gross) FROM revenue_events e WHERE e.subject_id = s.id), 0)::bigint,
               (SELECT count(*) FROM facts f WHERE f.subject_id = s.id AND f.kind = 'outcome' AND f.key LIKE 'refund:%' AND f.body->>'verdict' = 'done')
             FROM subjects s WHERE s.kind = 'order' AND s.origin <> 'placeholder'",
        )
        .fetch_all(&self.admin)
        .await
        .unwrap();
        rows.into_iter()
            .map(
                |(number, status, closed, blocked, note, revenue, refunds)| {
                    let known = Known {
                        status,
                        closed,
                        blocked,
                        note,
                        revenue,
                        refunds: usize::try_from(refunds).unwrap(),
                    };
                    (number, known)
                },
            )
            .collect()
    }

    /// What is wrong with an order.
    fn verdict(&self, order: &Placed, known: &Known, gone: &Goods, open_task: bool) -> Vec<String> {
        let mut wrong = Vec::new();
        let seen = self.far.order(order);
        // Goods that left a cancelled order are delivered and no more: the rest is an operator's.
        let ended = known.closed
            && (matches!(known.status.as_str(), "booked" | "cancelled")
                || known.status == "delivered" && seen.cancelled);
        // Staff took every line off it, and nobody has completed it.
        let empty = matches!(known.blocked.as_deref(), Some("completion" | "payment"))
            && order.goods.values().all(|n| *n == 0);
        if !ended && !open_task && !empty {
            wrong.push(format!(
                "it is stuck, blocked by {:?}, and no task explains it",
                known.blocked
            ));
        }
        wrong.extend(given_back(order, &seen));
        // Whatever task there is: a person may have given it up as it was.
        let made = seen.refunds.iter().filter(|(_, call)| call.is_some());
        let made = made.count();
        if known.refunds > made {
            wrong.push(format!(
                "{} refunds count as made, and its account has {made}",
                known.refunds
            ));
        }
        if !open_task {
            wrong.extend(self.not_given_back(order, &seen));
        }
        wrong.extend(self.money(order, known, gone, &seen));
        wrong.extend(self.note(order, known, &seen));
        if !order.acts.is_empty() {
            return wrong
                .into_iter()
                .chain(self.after_acts(order, known, gone))
                .collect();
        }
        let some_left = gone.values().any(|n| *n > 0);
        if some_left && (seen.cancelled || known.status == "cancelled") {
            let told = |kind: &str| {
                self.flagged
                    .contains(&(order.number.clone(), kind.to_owned()))
            };
            if !told("cancel_too_late") {
                wrong.push("goods shipped for a cancelled order, and there is no task".to_owned());
            }
        }
        if seen.cancelled {
            // A provider may capture the rest of what staff had begun to capture, before anybody has read the cancel: the
            // task of the goods names the sum.
            let too_late = (order.number.clone(), "cancel_too_late".to_owned());
            let named = some_left && order.by_staff > 0 && self.flagged.contains(&too_late);
            // Where the shop does not have the money, its cancel gives none of it back: that is a task.
            let over = (order.number.clone(), "over_captured".to_owned());
            let elsewhere = self.far.shops[order.shop].woo.is_some();
            let named = named || elsewhere && (self.flagged.contains(&over) || some_left);
            if seen.captured != seen.refunded && !named {
                wrong.push(format!(
                    "cancelled, {} captured and {} refunded",
                    seen.captured, seen.refunded
                ));
            }
            return wrong;
        }
        if known.status == "cancelled" {
            wrong.push("cancelled, and the shop does not know".to_owned());
            return wrong;
        }
        let whole = order.all_in(gone);
        let due = match order.pay {
            Pay::Card
                if self.terms.on_complete(order.account) && !whole && known.status != "booked" =>
            {
                0
            }
            Pay::Card => order.due(gone),
            _ => 0,
        };
        let due = due.max(order.by_staff);
        // The rest of a payment that staff had captured in part may have been collected another way, as the task says.
        let lacks = (
            order.number.clone(),
            "capture_exceeds_authorisation".to_owned(),
        );
        let part = order.by_staff > 0 && (order.by_staff..due).contains(&seen.captured);
        let lacks = part && self.flagged.contains(&lacks);
        if known.status == "booked" && seen.captured != due && !lacks {
            wrong.push(format!("{} captured, {due} are owed", seen.captured));
        }
        if known.status != "booked" {
            return wrong;
        }
        if known.revenue != order.due(gone) {
            wrong.push(format!(
                "revenue is {}, {} was shipped",
                known.revenue,
                order.due(gone)
            ));
        }
        let mut told = Goods::new();
        for (code, n) in seen
            .fulfilments
            .iter()
            .filter(|f| f.shipped)
            .flat_map(|f| &f.lines)
        {
            *told.entry(code.clone()).or_default() += n;
        }
        let gone: Goods = gone
            .iter()
            .filter(|(_, n)| **n > 0)
            .map(|(code, n)| (code.clone(), *n))
            .collect();
        if told != gone {
            wrong.push(format!("the shop shows {told:?}, {gone:?} shipped"));
        }
        let mails = self.far.mails.mails();
        let mails = mails.iter().filter(|m| m.to.contains(&order.email)).count();
        if whole && mails != 1 {
            wrong.push(format!("its customer has {mails} mails"));
        }
        wrong
    }

    /// A refund that an operator asked for, and that neither was made nor came to a task or was given up; or one that was
    /// made at another account, and that its shop knows nothing of.
    fn not_given_back(&self, order: &Placed, seen: &Seen) -> Option<String> {
        let told = |kind: &&str| {
            let task = (order.number.clone(), (*kind).to_owned());
            self.flagged.contains(&task)
        };
        let asked = order.asked_back;
        if asked == 0 || order.dropped || NOT_MADE.iter().any(told) {
            return None;
        }
        let ours = seen.refunds.iter().filter(|(_, call)| call.is_some());
        let made: i64 = ours.map(|(amount, _)| amount).sum();
        if order.pay == Pay::Card && made != asked {
            return Some(format!("{asked} yen were to be refunded, {made} were"));
        }
        let recorded = seen.credit.0;
        let keeps = self.far.shops[order.shop].woo.is_some() && !seen.cancelled;
        (keeps && !order.refunded_by_staff && recorded != asked).then(|| {
            format!("{asked} yen were to be refunded, and the shop has records of {recorded}")
        })
    }

    /// What is wrong with what the shop's staff are shown of its holds. Not judged: what staff wrote over, what the shop did
    /// not take, and orders that it changes no more.
    fn note(&self, order: &Placed, known: &Known, seen: &Seen) -> Option<String> {
        let taken = known
            .note
            .as_deref()
            .is_none_or(|verdict| verdict == "done");
        if order.note_by_staff || !taken || seen.cancelled || seen.deleted {
            return None;
        }
        let hold = known
            .blocked
            .as_deref()
            .and_then(|b| b.strip_prefix("hold:"));
        let hold = hold.filter(|rule| self.terms.annotate && ["remarks", "manual"].contains(rule));
        let shown = seen.note.as_deref();
        let right = match (hold, shown) {
            (None, None) => true,
            (Some(rule), Some(note)) => note.contains(rule),
            // Something else comes before the hold.
            (None, Some(_)) => self.terms.annotate && !known.closed && known.blocked.is_some(),
            (Some(_), None) => false,
        };
        (!right).then(|| format!("held by {hold:?}, and its staff are shown {shown:?}"))
    }

    /// What is wrong with the money of an order: what is kept is booked or named, what was given back lowers what is
    /// booked and is not captured again.
    fn money(&self, order: &Placed, known: &Known, gone: &Goods, seen: &Seen) -> Vec<String> {
        let mut wrong = Vec::new();
        let told = |kind: &str| {
            let task = (order.number.clone(), kind.to_owned());
            self.flagged.contains(&task)
        };
        let (kept, charged) = (seen.kept(), seen.charged());
        // What was kept of goods that left before the shop cancelled the order is named with them.
        let left = order.due_at_most(&order.in_all(gone)).max(order.by_staff);
        let with_goods = seen.cancelled && told("cancel_too_late") && kept <= left;
        let named = told("over_captured") || with_goods;
        if kept > charged && !named {
            wrong.push(format!(
                "{kept} yen are kept, {charged} are charged, and there is no task"
            ));
        }
        if seen.cancelled && known.revenue != 0 {
            wrong.push(format!("cancelled, and revenue is {}", known.revenue));
        }
        // Where lines changed, a customer may owe what nobody can take; and what was sent twice of one line is not billed
        // on another line of the same item.
        let settled = known.status == "booked" && !seen.cancelled;
        let is = |act: Act| order.acts.contains(&act);
        let exact = !is(Act::Unfulfilled) && order.let_go.is_empty();
        let Some((least, most)) = order.due_between(&order.in_all(gone), order.credit(seen)) else {
            return wrong;
        };
        if !settled || !exact {
            return wrong;
        }
        if known.revenue < least || known.revenue > most {
            wrong.push(format!(
                "revenue is {}, {least} to {most} are charged for what was shipped",
                known.revenue
            ));
        }
        if order.pay != Pay::Card {
            return wrong;
        }
        let by_staff = order.by_staff > 0;
        // A refund that staff recorded at the shop alone moved no money: the task says so.
        let unpaid = order.credit(seen).0 > seen.refunded && told("payment_differs");
        // A payment that was voided may have been collected another way, as the task says.
        let lacks = kept < least && !told("capture_exceeds_authorisation");
        if lacks || (kept > most && !by_staff && !unpaid) {
            wrong.push(format!(
                "{kept} yen are kept, {least} to {most} are owed for what was shipped"
            ));
        }
        wrong
    }

    /// What is wrong with an order that people acted on: money and books follow what left, by whomever, and nothing is
    /// said twice. What was ordered may have changed, and what was marked as shipped may have been taken back.
    fn after_acts(&self, order: &Placed, known: &Known, gone: &Goods) -> Vec<String> {
        let mut wrong = Vec::new();
        let seen = self.far.order(order);
        let (ever, all) = (order.ever_left(gone), order.in_all(gone));
        let most = order.due_at_most(&ever).max(order.by_staff);
        if known.revenue > order.due_at_most(&ever) {
            wrong.push(format!(
                "revenue is {}, at most {most} was shipped",
                known.revenue
            ));
        }
        let is = |act: Act| order.acts.contains(&act);
        if known.status == "cancelled" && !seen.cancelled {
            let nothing = order.goods.values().all(|n| *n == 0);
            if !is(Act::Ended) && !nothing {
                wrong.push("cancelled, and the shop does not know".to_owned());
            }
            return wrong;
        }
        if known.status != "booked" || seen.cancelled {
            return wrong;
        }
        // A cancel that comes after a part has shipped stops the rest.
        let stopped = is(Act::Ended) || is(Act::Completed) || order.cancel_wanted;
        if !stopped && !order.all_in(&all) && !is(Act::Unfulfilled) {
            wrong.push(format!("{all:?} shipped of {:?}", order.goods));
        }
        wrong
    }

    /// Every entry balances, stands once, and all of them say what was shipped.
    async fn books(&mut self, known: &BTreeMap<String, Known>, left: &BTreeMap<String, Goods>) {
        let mut total = 0;
        let mut codes = std::collections::BTreeSet::new();
        for (file, bytes) in self.far.books.below("outgoing") {
            let text = String::from_utf8(bytes).unwrap();
            let mut balance = 0;
            for line in text.lines() {
                if let Some((_, rest)) = line.split_once(" (")
                    && line.starts_with(|c: char| c.is_ascii_digit())
                {
                    let code = rest.split(')').next().unwrap_or_default().to_owned();
                    if !codes.insert(code.clone()) {
                        self.violated(format!("entry {code} is in the books twice"));
                    }
                    if balance != 0 {
                        self.violated(format!("an entry of {file} is off by {balance} yen"));
                    }
                    balance = 0;
                }
                let Some(posting) = line.strip_prefix("    ") else {
                    continue;
                };
                let posting = posting.split("  ;").next().unwrap_or_default();
                let Some((account, amount)) = posting.split_once("  ") else {
                    continue;
                };
                let amount = amount.trim().trim_end_matches(" JPY");
                let amount: i64 = amount.parse().unwrap();
                balance += amount;
                if account.contains("Receivable") || account.contains("Advances") {
                    total += amount;
                }
            }
            if balance != 0 {
                self.violated(format!("an entry of {file} is off by {balance} yen"));
            }
        }
        let revenue: i64 = known.values().map(|k| k.revenue).sum();
        let booked: i64 = sqlx::query_scalar(
            "SELECT coalesce(sum(e.gross), 0)::bigint FROM revenue_events e JOIN batches b ON b.subject_id = e.batch_id WHERE b.state = 'done'",
        )
        .fetch_one(&self.admin)
        .await
        .unwrap();
        if booked != total {
            self.violated(format!(
                "the books show {total} yen, {booked} were posted to them"
            ));
        }
        let shipped: i64 = self
            .orders
            .iter()
            .map(|o| o.due_at_most(&o.ever_left(left.get(&o.number).unwrap_or(&Goods::new()))))
            .sum();
        if revenue > shipped {
            self.violated(format!("{revenue} yen of revenue, {shipped} were shipped"));
        }
    }
}

/// What is wrong with refunds of an order that operators asked for: each is made once, none beyond what was asked for, and
/// so is each record of one.
fn given_back(order: &Placed, seen: &Seen) -> Option<String> {
    let sum_of = |made: &[(i64, &String)]| made.iter().map(|(amount, _)| amount).sum::<i64>();
    let once = |made: &[(i64, &String)]| {
        let keys: std::collections::BTreeSet<&String> = made.iter().map(|(_, key)| *key).collect();
        keys.len() == made.len()
    };
    let refunds = seen.refunds.iter();
    let money: Vec<_> = refunds
        .filter_map(|(amount, key)| Some((*amount, key.as_ref()?)))
        .collect();
    let records = seen.records.iter();
    let records: Vec<_> = records.map(|(amount, key)| (*amount, key)).collect();
    let right = |made: &[(i64, &String)]| sum_of(made) <= order.asked_back && once(made);
    (!right(&money) || !right(&records)).then(|| {
        format!(
            "{} yen were to be refunded, and these were: {:?}, and recorded: {:?}",
            order.asked_back, seen.refunds, seen.records
        )
    })
}
