//! Giving money back and releasing authorisations, as an operator asks for it: what it comes to is settled when it is typed.

use std::collections::BTreeMap;

use hikiate_sdk::{Currency, Decimal, LineKey, RefundedLine, Tender};

use super::super::charges::units_of;
use super::super::money::share;
use super::super::number::hex_sha256;
use super::super::view::{Left, View};
use super::{Now, Wish, WishedFact, while_stopped};
use crate::facts::{FactBody, RefundPart, RefundWantedFact, VoidWantedFact};
use crate::policy::PaymentMethod;

/// How much is to be given back.
#[derive(Clone, Copy, Debug)]
pub enum RefundOf<'a> {
    /// All that was captured or received and not given back.
    All,
    /// So much, as decimal text in the order's currency.
    Amount(&'a str),
    /// What these units of the channel's lines cost.
    Lines(&'a [(String, u32)]),
}

/// `order refund`. Without a name of its own, the same amount or the same units of an order are the same refund, whatever reason
/// is given: two people who answer one request of a customer give different ones.
///
/// # Errors
/// Why it cannot be given back, or that it was asked for already.
pub fn refund(
    on: Now<'_>,
    of: RefundOf<'_>,
    name: Option<&str>,
    reason: &str,
) -> Result<Wish, String> {
    let view = on.ours()?;
    let number = &view.input.number;
    let id = match name {
        Some(name) => name.to_owned(),
        None => what(&view, of)?,
    };
    if let Some(asked) = view
        .fold
        .refunds_wanted
        .iter()
        .find(|one| one.fact.id == id)
    {
        return Err(format!(
            "order {number}: refund {id} of {} was asked for on {} ({}); to give back money once more, add --id NAME",
            view.money(asked.fact.amount),
            view.local(asked.at),
            view.refund_word(asked)
        ));
    }
    let rooms = rooms(&view)?;
    let room = rooms
        .iter()
        .fold(0_i64, |sum, (_, room, _)| sum.saturating_add(*room));
    let lines = match of {
        RefundOf::Lines(lines) => by_line(&view, lines)?,
        _ => Vec::new(),
    };
    let amount = match of {
        RefundOf::All => room,
        RefundOf::Amount(text) => minor(text, view.order.currency)?,
        RefundOf::Lines(_) => lines
            .iter()
            .fold(0_i64, |sum, line| sum.saturating_add(line.amount)),
    };
    if room == 0 {
        let open = view
            .order
            .tenders
            .iter()
            .map(|t| view.open_authorisation(t));
        let open = open.fold(0_i64, i64::saturating_add);
        let open = if open > 0 {
            format!(
                "; `order void` releases the {} that is authorised",
                view.money(open)
            )
        } else {
            String::new()
        };
        let waits = not_reported(&view);
        return Err(format!(
            "order {number}: nothing of it is captured or received and not refunded yet{open}{waits}"
        ));
    }
    if amount > room {
        return Err(format!(
            "order {number}: {} is captured or received and not refunded, so {} cannot be refunded{}",
            view.money(room),
            view.money(amount),
            not_reported(&view)
        ));
    }
    if amount <= 0 {
        return Err(format!("order {number}: these units cost nothing"));
    }
    let fact = RefundWantedFact {
        id: id.clone(),
        amount,
        currency: view.order.currency,
        full: amount == room && nothing_is_left(&view, of, &lines),
        lines,
        parts: parts(&view, rooms, amount),
        reason: reason.to_owned(),
    };
    let mut wish = Wish::default();
    consequences(&view, &fact, &mut wish);
    while_stopped(&view, &mut wish);
    let body = FactBody::RefundWanted(fact);
    wish.facts
        .push(WishedFact::once(format!("refund_wanted:{id}"), body));
    Ok(wish)
}

/// So much is captured or received and not refunded, and can be refunded by `order refund`.
pub(crate) fn may_refund(view: &View<'_>, amount: i64) -> bool {
    let room = |rooms: Vec<Room<'_>>| {
        rooms
            .iter()
            .fold(0_i64, |sum, (_, room, _)| sum.saturating_add(*room))
    };
    amount > 0 && rooms(view).is_ok_and(|rooms| amount <= room(rooms))
}

/// No payment is authorised for goods that are still to ship, and no units of the order are left that a refund by line does not
/// name.
fn nothing_is_left(view: &View<'_>, of: RefundOf<'_>, lines: &[RefundedLine]) -> bool {
    let mut tenders = view.order.tenders.iter();
    let authorised = tenders.any(|t| view.open_authorisation(t) > 0 && !view.is_to_void(t));
    if authorised && view.has_unshipped() {
        return false;
    }
    let mut sold = view.order.lines.iter();
    let named = |line: &hikiate_sdk::OrderLine| {
        let (gone, _) = given_before(view, &line.key);
        let asked = lines.iter().find(|asked| asked.line == line.key);
        gone.saturating_add(asked.map_or(0, |asked| asked.quantity)) >= line.quantity
    };
    !matches!(of, RefundOf::Lines(_)) || sold.all(named)
}

/// Names what is asked for: an amount, or units by the channel's lines, however they were typed.
fn what(view: &View<'_>, of: RefundOf<'_>) -> Result<String, String> {
    let words = match of {
        RefundOf::All => "all".to_owned(),
        RefundOf::Amount(text) => minor(text, view.order.currency)?.to_string(),
        RefundOf::Lines(lines) => {
            let units = by_key(view, lines)?.into_iter();
            let units: Vec<String> = units.map(|(line, n)| format!("{line}={n}")).collect();
            units.join(" ")
        }
    };
    Ok(hex_sha256(words.as_bytes()).chars().take(8).collect())
}

fn not_reported(view: &View<'_>) -> &'static str {
    if view.refund_unshown() || view.money_goes_back() {
        "; what was refunded last is not reported yet"
    } else {
        ""
    }
}

/// A payment, what can be given back of it, and whether an account of ours does it.
type Room<'v> = (&'v Tender, i64, bool);

fn rooms<'v>(view: &'v View<'_>) -> Result<Vec<Room<'v>>, String> {
    let mut rooms: Vec<Room<'_>> = Vec::new();
    for tender in &view.order.tenders {
        let Some(route) = view.route(tender) else {
            continue;
        };
        let room = match (&route.account, route.method) {
            (Some(_), _) => view.refundable(tender),
            (None, PaymentMethod::Prepaid) => {
                let given = view.given_without_account(&[tender]);
                view.taken(tender).saturating_sub(given)
            }
            (None, _) => 0,
        };
        if room <= 0 {
            continue;
        }
        if let Some(account) = route.account.as_ref().filter(|_| !route.refunds) {
            return Err(format!(
                "order {}: account {account} offers no refund: refund payment {} there",
                view.input.number, tender.key
            ));
        }
        rooms.push((tender, room, route.account.is_some()));
    }
    rooms.extend(transferred(view));
    // What an account gives back needs no operator.
    rooms.sort_by_key(|(_, _, by_account)| !by_account);
    Ok(rooms)
}

/// What came by bank transfer. A deposit pays the order, whatever payments by transfer the channel lists for it.
fn transferred<'v>(view: &'v View<'_>) -> Option<Room<'v>> {
    let all = view.transfers();
    let named = all.iter().rev().find(|tender| !tender.cancelled);
    let named = named.or(all.last()).copied()?;
    let captured = all
        .iter()
        .fold(0_i64, |sum, tender| sum.saturating_add(tender.captured));
    let came = view.payment().deposited.max(captured);
    let room = came.saturating_sub(view.given_without_account(&all));
    (room > 0).then_some((named, room, false))
}

fn parts(view: &View<'_>, rooms: Vec<Room<'_>>, amount: i64) -> Vec<RefundPart> {
    let mut rest = amount;
    let mut parts = Vec::new();
    for (tender, room, by_account) in rooms {
        let amount = rest.min(room);
        rest -= amount;
        if amount > 0 {
            let route = view.route(tender).filter(|_| by_account);
            parts.push(RefundPart {
                payment: tender.key.clone(),
                provider: route.and_then(|_| view.provider_of(tender)),
                account: route.and_then(|route| route.account.clone()),
                amount,
                by_others: view.refunded_by_others(tender),
            });
        }
    }
    parts
}

/// Units by the channel's lines, which may be named by line or by SKU.
fn by_key(view: &View<'_>, asked: &[(String, u32)]) -> Result<BTreeMap<LineKey, u32>, String> {
    let number = &view.input.number;
    let mut wanted: BTreeMap<LineKey, u32> = BTreeMap::new();
    for (name, units) in asked {
        let named = |line: &&hikiate_sdk::OrderLine| {
            line.key.as_str() == name || line.sku.as_deref() == Some(name)
        };
        let found: Vec<_> = view.order.lines.iter().filter(named).collect();
        let [line] = found.as_slice() else {
            let known: Vec<String> = view
                .order
                .lines
                .iter()
                .map(|line| match &line.sku {
                    Some(sku) => format!("{sku} ({})", line.key),
                    None => line.key.to_string(),
                })
                .collect();
            let how = if found.is_empty() {
                "no"
            } else {
                "more than one"
            };
            return Err(format!(
                "order {number} has {how} line {name:?}: it has {}",
                known.join(", ")
            ));
        };
        let sum = wanted.entry(line.key.clone()).or_default();
        *sum = sum.saturating_add(*units);
    }
    Ok(wanted)
}

/// What units of lines cost, of what is still charged for them.
fn by_line(view: &View<'_>, asked: &[(String, u32)]) -> Result<Vec<RefundedLine>, String> {
    let number = &view.input.number;
    let charged = view.charged().ok_or_else(|| {
        format!("order {number}: the channel has not fixed all amounts: name an amount instead")
    })?;
    let all: Left = view
        .lines
        .iter()
        .map(|line| (line.key.clone(), line.ordered))
        .collect();
    let due = view.due_items(&charged, &all);
    let wanted = by_key(view, asked)?;
    let mut lines = Vec::new();
    for (key, units) in wanted {
        let sold = view.order.lines.iter().find(|line| line.key == key);
        let sold = sold.map_or(0, |line| line.quantity);
        let (gone, taken) = given_before(view, &key);
        let left = sold.saturating_sub(gone);
        if units == 0 || units > left {
            return Err(format!(
                "order {number}, line {key}: {units} cannot be refunded; {left} of {sold} are not refunded"
            ));
        }
        let items = charged.items.iter().zip(&due);
        let cost = items
            .filter(|(item, _)| item.line.as_ref() == Some(&key))
            .fold(0_i64, |sum, (_, due)| sum.saturating_add(*due));
        let amount = share(cost.saturating_sub(taken).max(0), units, left);
        lines.push(RefundedLine {
            line: key,
            quantity: units,
            amount,
        });
    }
    Ok(lines)
}

/// Units of a line that were given back, or are asked to be, and minor units of those that no reading shows yet.
fn given_before(view: &View<'_>, key: &LineKey) -> (u32, i64) {
    let (mut units, mut unshown) = (0_u32, 0_i64);
    let shown = || view.order.tenders.iter().flat_map(|tender| &tender.refunds);
    for refund in shown() {
        let of_line = units_of(&view.fold, refund).into_iter();
        units = of_line
            .filter(|(line, _)| line == key)
            .fold(units, |sum, (_, n)| sum.saturating_add(n));
    }
    for asked in view.refunds_asked() {
        let is_shown = shown().any(|refund| {
            let ours = view.fold.our_refunds.get(refund.key.as_str());
            ours.is_some_and(|ours| ours.id == asked.fact.id)
        });
        for line in asked
            .fact
            .lines
            .iter()
            .filter(|line| line.line == *key && !is_shown)
        {
            units = units.saturating_add(line.quantity);
            unshown = unshown.saturating_add(line.amount);
        }
    }
    (units, unshown)
}

fn consequences(view: &View<'_>, fact: &RefundWantedFact, wish: &mut Wish) {
    let id = &fact.id;
    for part in &fact.parts {
        let (amount, payment) = (view.money(part.amount), &part.payment);
        wish.does.push(match &part.account {
            Some(account) => format!(
                "refund {id}: {account} gives back {amount} of payment {payment}, which cannot be undone"
            ),
            None => format!(
                "refund {id}: a task asks you to pay back {amount} of payment {payment}, which no account of hikiate captured"
            ),
        });
    }
    let elsewhere = fact
        .parts
        .iter()
        .any(|part| part.account.as_ref() != Some(&view.input.channel));
    let channel = &view.input.channel;
    if elsewhere && view.records_refunds() {
        let by_account = fact.parts.iter().any(|part| part.account.is_some());
        let when = if by_account {
            "ten minutes after the refund, unless one has appeared by then"
        } else {
            "at once"
        };
        wish.does.push(format!(
            "{channel} gets a record of it {when}, which moves no money: the shop may mail its customer then"
        ));
    } else if elsewhere {
        wish.stays
            .push(format!("{channel} keeps no record of it: enter it there"));
    }
    if fact.full {
        if fact.parts.iter().any(|part| part.account.is_some()) {
            waits(view, wish);
        }
        held(view, wish);
    }
}

/// What a full refund by an account or a void waits for.
fn waits(view: &View<'_>, wish: &mut Wish) {
    let waits = view.waits_for_goods();
    if !waits.is_empty() {
        wish.does.push(format!(
            "it waits until {} shipped or is stopped: `hikiate order recall` or `order cancel` requests that",
            waits.join(", ")
        ));
    }
}

/// What a full refund or a void means for goods.
fn held(view: &View<'_>, wish: &mut Wish) {
    if view.has_unshipped() && !view.cancelling() && view.ended().is_none() {
        wish.stays.push(
            "the order is not cancelled: what is not sealed is held and keeps its stock".to_owned(),
        );
    }
}

/// Minor units of a positive amount that has no more digits than its currency.
fn minor(text: &str, currency: Currency) -> Result<i64, String> {
    let wrong = || {
        format!("{text:?} is not an amount in {currency} above zero: enter it in digits, as 5400")
    };
    if text.contains(['e', 'E']) {
        return Err(wrong());
    }
    let decimal: Decimal = text.trim().parse().map_err(|_| wrong())?;
    match decimal.to_minor(currency) {
        Ok((minor, true)) if minor > 0 => Ok(minor),
        _ => Err(wrong()),
    }
}

/// `order void`.
///
/// # Errors
/// Why there is nothing to release, or why it may not be.
pub fn void(on: Now<'_>, reason: &str) -> Result<Wish, String> {
    let view = on.ours()?;
    let number = &view.input.number;
    let mut payments = Vec::new();
    let mut providers = BTreeMap::new();
    let mut wish = Wish::default();
    let mut asked = false;
    for tender in &view.order.tenders {
        let open = view.open_authorisation(tender);
        let route = view.route(tender);
        let Some((route, account)) = route.and_then(|r| Some((r, r.account.as_ref()?))) else {
            continue;
        };
        if open == 0 {
            continue;
        }
        if view.is_to_void(tender) {
            asked = true;
            continue;
        }
        if !route.voids {
            return Err(format!(
                "order {number}: account {account} offers no void: release payment {} there",
                tender.key
            ));
        }
        wish.does.push(format!(
            "{account} releases {} that is authorised of payment {} and not captured, which cannot be undone",
            view.money(open),
            tender.key
        ));
        payments.push(tender.key.clone());
        let provider = view.provider_of(tender);
        providers.extend(provider.map(|known| (tender.key.clone(), known)));
    }
    if payments.is_empty() {
        return Err(if asked {
            format!(
                "order {number}: its void was asked for already: `hikiate order explain {number}` shows its state"
            )
        } else {
            format!("order {number}: nothing is authorised and not captured")
        });
    }
    let missing = view.missing_for_shipped();
    if missing > 0 || view.captures_under_way() {
        return Err(format!(
            "order {number}: goods have shipped, and their capture is not finished ({} is due): void it once they are captured",
            view.money(missing)
        ));
    }
    waits(&view, &mut wish);
    held(&view, &mut wish);
    while_stopped(&view, &mut wish);
    let n = view.fold.voids_wanted.len().saturating_add(1);
    let body = FactBody::VoidWanted(VoidWantedFact {
        payments,
        providers,
        reason: reason.to_owned(),
    });
    wish.facts
        .push(WishedFact::once(format!("void_wanted:{n}"), body));
    Ok(wish)
}
