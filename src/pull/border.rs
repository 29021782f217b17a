//! The border: what an external system told is bounded and cleaned before anything of it is stored, or it is a bad record.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use hikiate_sdk::text::{code, field, key, words};
use hikiate_sdk::{
    BadRecord, ChannelFulfilment, ChannelState, Charge, Contents, DeliveryGroup, Gift, Observed,
    OrderLine, OrderSnapshot, ParcelReport, Party, PaymentSnapshot, PaymentState, Personal,
    RefundSeen, StockLevel, Tender, UnreadWish, Wishes,
};

use super::postal::as_labels_have_it;

/// Longest id of an external system's, in bytes: it is given back to the external system as it came, so it can be neither cut nor hashed.
const ID_BYTES: usize = 200;

/// Most bytes of one order.
const ORDER_BYTES: usize = 4 << 20;

/// A delivery is asked for within so many days of its order: what is further away is a slip of the keyboard.
const WISH_DAYS: Days = Days::new(366);

/// Lets a record in, its texts cleaned; ids stay as they came. Days are those of `zone`.
///
/// # Errors
/// An id that cannot be stored as it came, or more bytes than an order may have.
pub(super) fn admit(observed: Observed, bytes: usize, zone: Tz) -> Result<Observed, BadRecord> {
    match observed {
        Observed::Order(mut snapshot, mut personal) => {
            let id = snapshot.external_id.clone();
            if bytes > ORDER_BYTES {
                let why = format!(
                    "the order has {bytes} bytes, more than the {ORDER_BYTES} that are read"
                );
                return Err(BadRecord::new(Some(id), why).because("the order is too long"));
            }
            let day = snapshot.ordered_at.with_timezone(&zone).date_naive();
            order(&mut snapshot, &mut personal, day)
                .map_err(|why| BadRecord::new(Some(id), why))?;
            Ok(Observed::Order(snapshot, personal))
        }
        Observed::InstructionReply(mut reply) => {
            clean(&mut reply.message);
            Ok(Observed::InstructionReply(reply))
        }
        Observed::CancelReply(mut reply) => {
            clean(&mut reply.message);
            Ok(Observed::CancelReply(reply))
        }
        Observed::Parcel(mut report) => {
            parcel(&mut report);
            Ok(Observed::Parcel(report))
        }
        Observed::Stock(mut level) => {
            stock(&mut level);
            Ok(Observed::Stock(level))
        }
        Observed::Payment(mut payment) => {
            let key = payment.key.clone();
            reported(&mut payment).map_err(|why| BadRecord::new(Some(key), why))?;
            Ok(Observed::Payment(payment))
        }
    }
}

fn order(
    order: &mut OrderSnapshot,
    personal: &mut Personal,
    ordered_on: NaiveDate,
) -> Result<(), String> {
    // Every field is named, so that a new one is decided on here.
    let OrderSnapshot {
        external_id,
        display,
        version: _,
        ordered_at: _,
        currency: _,
        state,
        gate: _,
        groups,
        lines,
        charges,
        tenders,
        total: _,
        fulfilments,
        taxes: _,
        tags,
        test: _,
    } = order;
    id("the order's id", external_id.as_str())?;
    clean(display);
    if let ChannelState::Unknown { raw } = state {
        clean(raw);
    }
    for group in groups {
        let DeliveryGroup {
            key,
            service,
            earliest_ship: _,
            ship_by: _,
            wishes,
        } = group;
        id("the id of a delivery group", key.as_str())?;
        clean_some(service);
        asked(wishes, ordered_on);
    }
    let mut keys = BTreeSet::new();
    for line in lines {
        if !keys.insert(line.key.clone()) {
            return Err(format!(
                "line {} stands twice: which of the two is meant nobody can say; mend the order at its channel",
                words(line.key.as_str())
            ));
        }
        let OrderLine {
            key,
            group,
            sku,
            title,
            quantity: _,
            unit_price: _,
            tax_rate_bp: _,
            by: _,
            customs,
        } = line;
        id("a line's id", key.as_str())?;
        id("the group of a line", group.as_str())?;
        coded(sku);
        clean(title);
        named(&mut customs.hs_code);
        named(&mut customs.origin);
    }
    for charge in charges {
        let Charge {
            kind: _,
            line,
            gross: _,
            tax: _,
            tax_rate_bp: _,
            tax_class,
            sponsor,
        } = charge;
        if let Some(line) = line {
            id("the line of a charge", line.as_str())?;
        }
        named(tax_class);
        clean_some(sponsor);
    }
    for tender in tenders {
        payment(tender)?;
    }
    for fulfilment in fulfilments {
        let ChannelFulfilment {
            key,
            reference,
            shipped_at: _,
            cancelled_at: _,
            location,
            tracking,
            lines,
        } = fulfilment;
        id("a fulfilment's id", key.as_str())?;
        named(reference);
        named(location);
        tracking.iter_mut().for_each(clean);
        for (line, _) in lines {
            id("the line of a fulfilment", line.as_str())?;
        }
    }
    tags.iter_mut().for_each(clean);
    let Personal {
        buyer,
        ship_to,
        remarks,
        senders,
        gifts,
    } = personal;
    party(buyer);
    ship_to.values_mut().for_each(party);
    clean(remarks);
    senders.values_mut().for_each(party);
    for gift in gifts.values_mut() {
        let Gift {
            noshi,
            noshi_name,
            wrapping,
            message,
        } = gift;
        for text in [noshi, noshi_name, wrapping, message] {
            clean(text);
        }
    }
    Ok(())
}

fn asked(wishes: &mut Wishes, ordered_on: NaiveDate) {
    let Wishes {
        arrive_on,
        slot,
        temperature: _,
        sender: _,
        gift: _,
        unread,
    } = wishes;
    clean_some(slot);
    for UnreadWish { field, why } in unread.iter_mut() {
        clean(field);
        clean(why);
    }
    let last = ordered_on.checked_add_days(WISH_DAYS);
    let why = match *arrive_on {
        Some(day) if day < ordered_on => "is a day before the order's",
        Some(day) if last.is_some_and(|last| day > last) => "is more than a year after the order",
        _ => return,
    };
    *arrive_on = None;
    unread.push(UnreadWish {
        field: "arrive_on".to_owned(),
        why: why.to_owned(),
    });
}

fn payment(tender: &mut Tender) -> Result<(), String> {
    let Tender {
        key,
        gateway,
        amount: _,
        authorised: _,
        captured: _,
        refunded: _,
        cancelled: _,
        provider,
        authorised_until: _,
        pay_by: _,
        review,
        refunds,
    } = tender;
    clean_some(review);
    id("a payment's id", key.as_str())?;
    clean(gateway);
    if let Some(provider) = provider {
        if let Some(key) = &provider.key {
            id("the provider's id of a payment", key.as_str())?;
        }
        clean_some(&mut provider.reference);
    }
    given_back(refunds)
}

fn given_back(refunds: &[RefundSeen]) -> Result<(), String> {
    for RefundSeen {
        key,
        amount: _,
        at: _,
        effect: _,
        lines,
    } in refunds
    {
        id("a refund's id", key.as_str())?;
        for (line, _) in lines {
            id("the line of a refund", line.as_str())?;
        }
    }
    Ok(())
}

/// A payment as the account that holds the money reports it.
fn reported(payment: &mut PaymentSnapshot) -> Result<(), String> {
    let PaymentSnapshot {
        key,
        reference,
        version: _,
        currency: _,
        state,
        amount,
        authorised,
        captured,
        refunded,
        disputed,
        authorised_until: _,
        pay_by: _,
        parts: _,
        refunds,
    } = payment;
    id("a payment's id", key.as_str())?;
    if key.as_str().is_empty() {
        return Err("a payment without an id".to_owned());
    }
    clean_some(reference);
    let sums = [
        ("amount", amount),
        ("authorised", authorised),
        ("captured", captured),
        ("refunded", refunded),
        ("disputed", disputed),
    ];
    if let Some((name, sum)) = sums.into_iter().find(|(_, sum)| **sum < 0) {
        return Err(format!("{name} is {sum}: a sum of money is not below zero"));
    }
    match state {
        PaymentState::Review { reasons } => reasons.iter_mut().for_each(clean),
        PaymentState::Refused { reason: text } | PaymentState::Unknown { raw: text } => clean(text),
        PaymentState::Waiting
        | PaymentState::Authorised
        | PaymentState::Paid
        | PaymentState::Cancelled
        | PaymentState::Expired => {}
    }
    given_back(refunds)
}

fn party(party: &mut Party) {
    let Party {
        name,
        company,
        country,
        postal_code,
        region,
        city,
        address1,
        address2,
        phone,
        email,
    } = party;
    for text in [
        name,
        company,
        country,
        postal_code,
        region,
        city,
        address1,
        address2,
        phone,
        email,
    ] {
        clean(text);
    }
    party.postal_code = as_labels_have_it(&party.country, &party.postal_code);
}

fn parcel(report: &mut ParcelReport) {
    let ParcelReport {
        reference: _,
        key: name,
        carrier,
        tracking,
        also,
        shipped_at: _,
        shipped_until: _,
        contents,
        adds: _,
        named: _,
        told: _,
    } = report;
    *name = key(name);
    clean_some(carrier);
    named(tracking);
    for number in also {
        *number = key(number);
    }
    match contents {
        Contents::Lines(lines) => lines.iter_mut().for_each(|line| coded(&mut line.code)),
        Contents::Codes(lines) => lines
            .iter_mut()
            .for_each(|line| line.code = code(&line.code)),
        Contents::Whole => {}
    }
}

fn stock(level: &mut StockLevel) {
    level.code = code(&level.code);
    named(&mut level.location);
}

fn clean(text: &mut String) {
    *text = field(text);
}

fn clean_some(text: &mut Option<String>) {
    if let Some(text) = text {
        clean(text);
    }
}

fn named(text: &mut Option<String>) {
    if let Some(text) = text {
        *text = key(text);
    }
}

/// An item's code, as the mapping file has it; one of blanks alone is none.
fn coded(text: &mut Option<String>) {
    *text = text
        .take()
        .map(|text| code(&text))
        .filter(|text| !text.is_empty());
}

fn id(what: &str, text: &str) -> Result<(), String> {
    if text.len() > ID_BYTES {
        return Err(format!(
            "{what} has {} bytes, more than the {ID_BYTES} that can be kept",
            text.len()
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("{what} holds a character that cannot be written"));
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
mod tests {
    use chrono::DateTime;
    use hikiate_sdk::{InstructionReply, ReplyVerdict};

    use super::*;

    fn parcel_of(key: &str) -> ParcelReport {
        ParcelReport {
            reference: "HK1-S1".into(),
            key: key.to_owned(),
            carrier: Some("ヤマト\0".to_owned()),
            tracking: Some("4".repeat(700)),
            also: Vec::new(),
            shipped_at: DateTime::UNIX_EPOCH,
            shipped_until: None,
            contents: Contents::Whole,
            adds: false,
            named: false,
            told: None,
        }
    }

    #[test]
    fn a_parcel_named_by_a_swallowed_row_can_be_stored() {
        let Observed::Parcel(report) = admit(
            Observed::Parcel(parcel_of(&"1,2\r\n".repeat(200))),
            0,
            Tz::UTC,
        )
        .unwrap() else {
            panic!("no parcel");
        };
        assert!(
            report.key.len() <= 120 && !report.key.contains('\n'),
            "{}",
            report.key
        );
        assert!(report.tracking.unwrap().len() <= 120);
        assert_eq!(report.carrier.as_deref(), Some("ヤマト"));
    }

    #[test]
    fn an_order_with_one_line_twice_is_a_bad_record_that_names_it() {
        let mut twice = crate::plan::tests::build::order(&[("A", 1, 1000), ("B", 1, 500)]);
        twice.lines[1].key = twice.lines[0].key.clone();
        let key = twice.lines[0].key.to_string();
        let observed = Observed::Order(Box::new(twice), Box::default());
        let bad = admit(observed, 0, Tz::UTC).unwrap_err();
        assert!(bad.external_id.is_some());
        assert!(
            bad.reason.contains(&key) && bad.reason.contains("twice"),
            "{}",
            bad.reason
        );
    }

    #[test]
    fn a_delivery_is_asked_for_within_a_year_of_its_order() {
        let wish = |day: &str| {
            let mut dated = crate::plan::tests::build::order(&[("A", 1, 1000)]);
            // The 20th in Tokyo.
            dated.ordered_at = "2026-11-19T16:00:00Z".parse().unwrap();
            dated.groups[0].wishes.arrive_on = Some(day.parse().unwrap());
            let observed = Observed::Order(Box::new(dated), Box::default());
            let Ok(Observed::Order(order, _)) = admit(observed, 0, chrono_tz::Asia::Tokyo) else {
                panic!("no order");
            };
            order.groups[0].wishes.clone()
        };
        for day in ["2026-11-20", "2026-12-24", "2027-11-20"] {
            let wishes = wish(day);
            assert!(wishes.arrive_on.is_some() && wishes.unread.is_empty());
        }
        for day in [
            "0026-12-24",
            "2026-10-23",
            "2026-11-19",
            "2027-11-22",
            "2062-12-24",
            "9999-12-31",
        ] {
            let wishes = wish(day);
            assert_eq!(wishes.arrive_on, None, "{day}");
            assert_eq!(wishes.unread[0].field, "arrive_on", "{day}");
        }
    }

    #[test]
    fn words_are_cleaned_and_a_short_name_stays_as_it_came() {
        let reply = InstructionReply {
            reference: "HK1-S1".into(),
            verdict: ReplyVerdict::Rejected,
            message: "在庫\0なし か\u{3099}".to_owned(),
            at: None,
        };
        let Ok(Observed::InstructionReply(reply)) =
            admit(Observed::InstructionReply(reply), 0, Tz::UTC)
        else {
            panic!("no reply");
        };
        assert_eq!(reply.message, "在庫なし が");
        let Ok(Observed::Parcel(report)) =
            admit(Observed::Parcel(parcel_of("4012-3456")), 0, Tz::UTC)
        else {
            panic!("no parcel");
        };
        assert_eq!(report.key, "4012-3456");
    }

    #[test]
    fn a_code_has_no_blanks_around_it_and_one_of_blanks_is_none() {
        let read = |text: &str| {
            let mut sku = Some(text.to_owned());
            coded(&mut sku);
            sku
        };
        assert_eq!(read("VK-1 \t").as_deref(), Some("VK-1"));
        assert_eq!(read("\u{3000}VK 1").as_deref(), Some("VK 1"));
        assert_eq!(read(" \u{3000}"), None);
        let long = "9".repeat(300);
        assert_eq!(
            read(&long),
            Some(code(&format!("{long} "))),
            "also a long one"
        );
    }

    #[test]
    fn an_id_that_cannot_be_given_back_as_it_came_is_a_bad_record() {
        assert_eq!(id("a line's id", "item_01"), Ok(()));
        assert!(
            id("a line's id", "a\0b")
                .unwrap_err()
                .contains("a line's id")
        );
        assert!(
            id("a line's id", &"x".repeat(201))
                .unwrap_err()
                .contains("201 bytes")
        );
    }
}
