//! The mappings, against samples and in tables.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use chrono::{DateTime, NaiveDate};
use hikiate_sdk::{
    Asks, Cod, CodeLine, Contents, Currency, Customs, ErrorClass, ExternalId, Gift, Instruction,
    InstructionLine, InstructionReply, Observed, Party, ReplyVerdict, ShipmentReference,
    SlipPrices, Temperature,
};
use serde_json::{Value, json};

use super::{instruction, shipment, stock};
use crate::config::{LongNames, Settings, TemperatureRule};

fn settings() -> Settings {
    Settings {
        warehouse: Some("OPL".to_owned()),
        ..Settings::of("TS001")
    }
}

fn line(n: u32, code: &str, title: &str, quantity: u32, price: i64) -> InstructionLine {
    InstructionLine {
        n,
        code: code.to_owned(),
        title: title.to_owned(),
        quantity,
        unit_price: Some(price),
        customs: Customs::default(),
    }
}

fn home() -> Party {
    Party {
        name: "見本 花子".to_owned(),
        company: "株式会社見本商事".to_owned(),
        country: "JP".to_owned(),
        postal_code: "〒１７０ー００１３".to_owned(),
        region: "東京都".to_owned(),
        city: "豊島区".to_owned(),
        address1: "東池袋0-0-0".to_owned(),
        address2: "見本ビル 9F".to_owned(),
        phone: "+81 (0)3-3333-4444".to_owned(),
        email: "hanako@example.test".to_owned(),
    }
}

fn told() -> Instruction {
    let sender = Party {
        name: "贈り主 太郎".to_owned(),
        country: "JP".to_owned(),
        postal_code: "1000001".to_owned(),
        region: "東京都".to_owned(),
        address1: "千代田区千代田0-0".to_owned(),
        ..Party::default()
    };
    Instruction {
        reference: ShipmentReference::from("HK0123456789ABC-S1"),
        order_number: "HK0123456789ABC".to_owned(),
        display: "#1001".to_owned(),
        channel: "shop".to_owned(),
        ordered_at: DateTime::UNIX_EPOCH,
        service: Some("yamato HOME_BOX".to_owned()),
        earliest_ship: None,
        ship_to: home(),
        lines: vec![
            line(1, "MUG-BLUE", "マグカップ 青", 2, 1_100),
            line(2, "BOWL", "どんぶり", 1, 540),
            line(3, "MUG-BLUE", "マグカップ 青", 1, 1_100),
        ],
        asks: Asks {
            arrive_on: NaiveDate::from_ymd_opt(2026, 12, 24),
            slot: Some("18".to_owned()),
            temperature: Some(Temperature::Ambient),
            sender: Some(sender),
            gift: Gift {
                wrapping: "red".to_owned(),
                message: "おめでとうございます".to_owned(),
                ..Gift::default()
            },
            cod: Some(Cod {
                currency: Currency::JPY,
                amount: 4_240,
                tax: Some(340),
            }),
            prices: Some(SlipPrices {
                currency: Currency::JPY,
                goods: 3_840,
                postage: 500,
                fees: 0,
                discount: -100,
                total: 4_240,
            }),
        },
    }
}

fn written(told: &Instruction, settings: &Settings) -> Value {
    serde_json::to_value(instruction::shipment(told, settings).unwrap()).unwrap()
}

/// The code and the words of a refusal.
fn refusal(told: &Instruction, settings: &Settings) -> (String, String) {
    let error = instruction::shipment(told, settings).unwrap_err();
    assert_eq!(error.class, ErrorClass::Rejected, "{error}");
    (error.code.unwrap(), error.message)
}

#[test]
fn an_instruction_is_written_as_the_sample_has_it() {
    let golden: Value = serde_json::from_str(include_str!("../../samples/instruct.json")).unwrap();
    assert_eq!(written(&told(), &settings()), golden);
}

#[test]
fn every_word_that_is_offered_to_the_configuration_is_taken() {
    let mut told = told();
    for service in instruction::SERVICES {
        told.service = Some(service.to_owned());
        let body = written(&told, &settings());
        let parts = ["delivery_carrier", "delivery_method"].map(|key| body[key].as_str());
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        assert_eq!(parts.join(" "), service);
    }
    for slot in instruction::SLOTS {
        told.asks.slot = Some(slot.to_owned());
        assert_eq!(written(&told, &settings())["delivery_time_slot"], slot);
    }
}

#[test]
fn what_is_not_asked_is_not_written() {
    let mut plain = told();
    plain.asks = Asks::default();
    plain.service = None;
    plain.ship_to.phone = String::new();
    let body = written(
        &plain,
        &Settings {
            warehouse: None,
            backorder: true,
            ..settings()
        },
    );
    let mut names: Vec<&String> = body.as_object().unwrap().keys().collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "backorder_if_unavailable",
            "identifier",
            "items",
            "order_no",
            "recipient"
        ]
    );
    assert_eq!(body["backorder_if_unavailable"], json!(true));
    assert_eq!(
        body["items"][0],
        json!({ "code": "MUG-BLUE", "quantity": 3, "name": "マグカップ 青" })
    );
    let mut euros = told();
    euros.asks.cod = None;
    euros.asks.prices = euros.asks.prices.map(|p| SlipPrices {
        currency: Currency::EUR,
        ..p
    });
    let body = written(&euros, &settings());
    assert!(body.get("total_amount").is_none() && body["items"][0].get("unit_price").is_none());
}

#[test]
fn a_long_name_flows_by_the_accounts_rule_or_is_refused_and_never_cut() {
    use LongNames::{Address2, Company, Refuse};
    // Name, company; name, company and address2 as written.
    type Flows = (LongNames, [&'static str; 2], Option<[&'static str; 3]>);
    let long = "株式会社オープンサンプル 見本 花子";
    let cases: [Flows; 14] = [
        (
            Refuse,
            ["一二三四五六七八九十一二三四五", ""],
            Some(["一二三四五六七八九十一二三四五", "", "B"]),
        ),
        (Refuse, ["一二三四五六七八九十一二三四五六", ""], None),
        (
            Refuse,
            ["花子", "一二三四五六七八九十一二三四五六"],
            Some(["花子", "一二三四五六七八九十一二三四五六", "B"]),
        ),
        (Refuse, ["花子", "一二三四五六七八九十一二三四五六七"], None),
        (Refuse, [long, ""], None),
        (
            Company,
            [long, ""],
            Some(["見本 花子", "株式会社オープンサンプル", "B"]),
        ),
        (Company, [long, "もうある"], None),
        (
            Company,
            ["花子", "一二三四五六七八九十一二三四五六七"],
            None,
        ),
        (Company, ["一二三四五六七八九十一二三四五六", ""], None),
        (
            Address2,
            [long, ""],
            Some(["見本 花子", "", "B 株式会社オープンサンプル"]),
        ),
        (
            Address2,
            [long, "もうある"],
            Some(["見本 花子", "もうある", "B 株式会社オープンサンプル"]),
        ),
        (
            Address2,
            ["花子", "一二三四五六七八九十一二三四五六七"],
            Some(["花子", "", "B 一二三四五六七八九十一二三四五六七"]),
        ),
        (Address2, ["一二三四五六七八九十一二三四五六", ""], None),
        (Refuse, ["", "見本商事"], Some(["見本商事", "", "B"])),
    ];
    for (long_names, [name, company], want) in cases {
        let settings = Settings {
            long_names,
            ..settings()
        };
        let mut told = told();
        (told.ship_to.name, told.ship_to.company) = (name.to_owned(), company.to_owned());
        told.ship_to.address2 = "B".to_owned();
        let case = format!("{long_names:?} {name:?} {company:?}");
        match want {
            Some(want) => {
                let to = &written(&told, &settings)["recipient"];
                let text = |field: &str| to[field].as_str().unwrap_or_default();
                assert_eq!(
                    [text("name"), text("company"), text("address2")],
                    want,
                    "{case}"
                );
            }
            None => {
                let (code, words) = refusal(&told, &settings);
                assert_eq!(code, "name", "{case}");
                assert!(
                    words.starts_with("ship_to.") && words.contains("characters"),
                    "{case}: {words}"
                );
                let shown = [name, company]
                    .into_iter()
                    .filter(|text| text.chars().count() > 2);
                assert!(
                    !shown.into_iter().any(|text| words.contains(text)),
                    "{case}: {words}"
                );
            }
        }
        // The sender's name is cut as silently, and is a wish.
        let mut told = self::told();
        let sender = told.asks.sender.as_mut().unwrap();
        (sender.name, sender.company) = (name.to_owned(), company.to_owned());
        match want {
            Some([name, ..]) => {
                assert_eq!(written(&told, &settings)["sender"]["name"], name, "{case}")
            }
            None => assert_eq!(refusal(&told, &settings).0, "wish", "{case}"),
        }
    }
}

#[test]
fn an_address_that_does_not_fit_or_is_none_is_refused_by_its_field() {
    let fits = "あ".repeat(21);
    // 21 + 11 full-width characters, and no more; the city does not count.
    let mut good = told();
    (good.ship_to.address1, good.ship_to.address2) = (fits.clone(), "い".repeat(11));
    assert_eq!(
        written(&good, &settings())["recipient"]["address1"],
        format!("豊島区{fits}")
    );
    good.ship_to.address2.push('a');
    let (code, words) = refusal(&good, &settings());
    assert_eq!(
        (code.as_str(), words.contains("65 wide")),
        ("address", true),
        "{words}"
    );
    type Change = fn(&mut Party);
    let cases: [(&str, Change); 10] = [
        ("ship_to.country", |to| to.country = "DE".to_owned()),
        ("ship_to.postal_code", |to| {
            to.postal_code = "1700".to_owned()
        }),
        ("ship_to.postal_code", |to| {
            to.postal_code = "SW1A 1AA".to_owned()
        }),
        ("ship_to.postal_code ends in 0000", |to| {
            to.postal_code = "〒530ー００００".to_owned()
        }),
        ("ship_to.phone", |to| to.phone = "333334444".to_owned()),
        ("ship_to.phone", |to| to.phone = "+49 30 1234567".to_owned()),
        ("ship_to.phone", |to| to.phone = "by mail".to_owned()),
        ("ship_to.address1", |to| {
            (to.city, to.address1) = (String::new(), String::new())
        }),
        ("ship_to.address1", |to| to.city = "x".repeat(60)),
        ("ship_to.address2", |to| to.address2 = "x".repeat(65)),
    ];
    for (field, change) in cases {
        let mut told = told();
        change(&mut told.ship_to);
        let (code, words) = refusal(&told, &settings());
        assert_eq!(code, "address", "{words}");
        assert!(words.starts_with(field), "{field}: {words}");
    }
    // OPENLOGI itself refuses this one, in its own words.
    let mut told = told();
    told.ship_to.postal_code = "999-9999".to_owned();
    assert_eq!(
        written(&told, &settings())["recipient"]["postcode"],
        "999-9999"
    );
}

#[test]
fn a_wish_without_a_field_is_refused_by_its_name_and_never_dropped() {
    type Change = fn(&mut Instruction);
    let cases: [(&str, &str, Change); 14] = [
        ("wish", "slot", |told| {
            told.asks.slot = Some("夜".to_owned())
        }),
        ("wish", "temperature", |told| {
            told.asks.temperature = Some(Temperature::Frozen)
        }),
        ("wish", "gift.noshi ", |told| {
            told.asks.gift.noshi = "内祝".to_owned()
        }),
        ("wish", "gift.noshi_name", |told| {
            told.asks.gift.noshi_name = "見本".to_owned()
        }),
        ("wish", "gift.wrapping", |told| {
            told.asks.gift.wrapping = "緑".to_owned()
        }),
        ("wish", "gift.message", |told| {
            told.asks.gift.message = "あ".repeat(501)
        }),
        ("wish", "cod", |told| {
            told.asks.cod = Some(Cod {
                currency: Currency::EUR,
                amount: 1,
                tax: None,
            })
        }),
        ("wish", "cod", |told| {
            told.asks.cod = Some(Cod {
                currency: Currency::JPY,
                amount: 0,
                tax: None,
            })
        }),
        ("wish", "sender.phone", |told| {
            told.asks.sender.as_mut().unwrap().phone = "1".to_owned()
        }),
        ("service", "service", |told| {
            told.service = Some("Express".to_owned())
        }),
        ("service", "service", |told| {
            told.service = Some("YAMATO SAGAWA".to_owned())
        }),
        ("service", "display", |told| told.display = "1".repeat(101)),
        ("title", "lines.2.title", |told| {
            told.lines[1].title = "あ".repeat(256)
        }),
        ("title", "lines", |told| told.lines.clear()),
    ];
    for (part, field, change) in cases {
        let mut told = told();
        change(&mut told);
        let (code, words) = refusal(&told, &settings());
        assert_eq!(code, part, "{words}");
        assert!(words.starts_with(field), "{field}: {words}");
        assert!(
            !words.contains("内祝") && !words.contains("見本"),
            "{words}"
        );
    }
    let by_item = Settings {
        temperature: TemperatureRule::ByItem,
        ..settings()
    };
    let mut frozen = told();
    frozen.asks.temperature = Some(Temperature::Frozen);
    assert!(instruction::shipment(&frozen, &by_item).is_ok());
    let mut named = told();
    named.asks.sender = Some(Party {
        name: "贈り主".to_owned(),
        ..Party::default()
    });
    let body = written(&named, &settings());
    assert_eq!(
        (&body["gift_sender_name"], body.get("sender")),
        (&json!("贈り主"), None)
    );
}

#[test]
fn two_prices_of_one_item_are_none() {
    let mut told = told();
    told.lines[2].unit_price = Some(900);
    let items = &written(&told, &settings())["items"];
    assert_eq!(
        items[0],
        json!({ "code": "MUG-BLUE", "quantity": 3, "name": "マグカップ 青" })
    );
    assert_eq!(items[1]["price"], 540);
}

fn observed(raw: &Value) -> Result<Observed, String> {
    let seen = shipment::read(&raw.to_string()).unwrap_or_else(|_| panic!("{raw}"));
    seen.unwrap().record.parsed.map_err(|bad| bad.reason)
}

fn sample(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn shipped() -> Value {
    sample(include_str!("../../samples/shipped.json"))
}

fn open() -> Value {
    sample(include_str!("../../samples/open.json"))
}

#[test]
fn a_shipped_shipment_is_one_parcel_with_all_its_labels() {
    let Ok(Observed::Parcel(parcel)) = observed(&shipped()) else {
        panic!("no parcel");
    };
    let line = |code: &str, quantity| CodeLine {
        code: code.to_owned(),
        quantity,
    };
    assert_eq!(parcel.reference.as_str(), "HK0123456789ABC-S1");
    assert_eq!(
        (parcel.key.as_str(), parcel.named, parcel.adds),
        ("TS001-S000042", true, false)
    );
    assert_eq!(
        parcel.carrier.as_deref(),
        Some("YAMATO"),
        "the one that took it, not the one that was asked for"
    );
    assert_eq!(parcel.tracking.as_deref(), Some("401234567890"));
    assert_eq!(parcel.also, ["401234567901"]);
    assert_eq!(parcel.shipped_at.to_rfc3339(), "2026-11-27T08:05:00+00:00");
    assert_eq!(parcel.shipped_until, None);
    assert_eq!(
        parcel.contents,
        Contents::Codes(vec![line("BOWL", 1), line("MUG-BLUE", 3)])
    );
}

#[test]
fn a_parcel_without_a_number_has_none() {
    for (codes, want, also) in [
        (json!([]), None, 0),
        (json!(null), Some("401234567890"), 0),
        (json!(["未定"]), Some("-"), 0),
        (json!(["未定", "4012-3456-7890"]), Some("4012-3456-7890"), 0),
    ] {
        let mut raw = shipped();
        raw["tracking_codes"] = codes;
        let Ok(Observed::Parcel(parcel)) = observed(&raw) else {
            panic!("{raw}");
        };
        assert_eq!(
            (parcel.tracking.as_deref(), parcel.also.len()),
            (want, also),
            "{raw}"
        );
    }
}

#[test]
fn an_open_shipment_is_an_acceptance_in_words() {
    let words = |status: &str| {
        let mut raw = open();
        raw["status"] = json!(status);
        match observed(&raw) {
            Ok(Observed::InstructionReply(InstructionReply {
                verdict: ReplyVerdict::Accepted,
                message,
                at: None,
                ..
            })) => message,
            other => panic!("{other:?}"),
        }
    };
    let planned = "; planned to ship on 2026-12-01";
    assert_eq!(words("waiting"), format!("accepted{planned}"));
    for status in ["picking", "picked", "packed", "working"] {
        assert_eq!(
            words(status),
            format!("accepted; it is being picked and packed{planned}")
        );
    }
    assert_eq!(
        words("backordered"),
        "accepted; it waits for stock to arrive"
    );
    assert!(words("suspended").contains("suspended at OPENLOGI"));
    assert_eq!(
        words("cancel_request"),
        "accepted; its cancellation was requested"
    );
    assert!(words("modify_request").contains("asked OPENLOGI for a change"));
}

#[test]
fn what_is_missing_or_unknown_is_told_by_its_field_and_never_filled_in() {
    let cases: [(&str, Value, &str); 8] = [
        (
            "/status",
            json!("teleported"),
            "status \"teleported\" is not known",
        ),
        ("/status", json!(null), "status is absent"),
        ("/id", json!(null), "id is absent"),
        ("/shipped_at", json!(null), "shipped_at is absent"),
        (
            "/shipped_at",
            json!("2026-11-27 17:05:00"),
            "no time with an offset",
        ),
        ("/items", json!([]), "items are absent"),
        ("/items/0/quantity", json!(null), "without a quantity"),
        (
            "/tracking_codes/0",
            json!("4.01235E+11"),
            "spreadsheet has rounded",
        ),
    ];
    for (place, value, want) in cases {
        let mut raw = shipped();
        *raw.pointer_mut(place).unwrap() = value;
        let why = observed(&raw).unwrap_err();
        assert!(
            why.starts_with("HK0123456789ABC-S1: ") && why.contains(want),
            "{place}: {why}"
        );
    }
}

#[test]
fn only_what_we_created_is_ours() {
    for (identifier, is_ours) in [
        ("HK0123456789ABC-S1", true),
        ("HK0123456789ABC-S12", true),
        ("HK0123456789ABC", false),
        ("HK0123456789ABC-S", false),
        ("HK0123456789ABC-S1b", false),
        ("HK1-S1", false),
        ("#1001", false),
        ("XX0123456789ABC-S1", false),
    ] {
        assert_eq!(
            shipment::ours(identifier).is_some(),
            is_ours,
            "{identifier}"
        );
    }
    let read = |raw: &Value| shipment::read(&raw.to_string());
    let mut back = shipped();
    back["shipment_return"] = json!(true);
    assert!(
        read(&back).is_ok_and(|seen| seen.is_none()),
        "it carries our number and is not ours"
    );
    let mut by_hand = open();
    by_hand["identifier"] = json!(null);
    assert!(read(&by_hand).is_ok_and(|seen| seen.is_none()));
    let record = read(&json!("shipment")).err().unwrap();
    assert!(record.parsed.is_err_and(|bad| bad.external_id.is_none()));
    // One whose fields are of another kind is ours all the same: it is not gone.
    let mut odd = shipped();
    odd["tracking_codes"] = json!({ "first": "4011" });
    let seen = read(&odd).unwrap_or_else(|_| panic!("unknown")).unwrap();
    assert_eq!(seen.stage, None);
    let bad = seen.record.parsed.unwrap_err();
    assert_eq!(
        bad.external_id.as_ref().map(|id| id.as_str()),
        Some("HK0123456789ABC-S1")
    );
    // A text that was cut in the middle of a character costs no shipment.
    let cut = open().to_string().replace("見本 花子", "\\ud83d");
    assert!(shipment::read(&cut).is_ok_and(|seen| seen.is_some()));
}

#[test]
fn stock_is_what_openlogi_would_still_ship_from_the_accounts_warehouse() {
    let item = || sample(include_str!("../../samples/item.json"));
    let read = |raw: &Value, warehouse| {
        let mut records = stock::records(&raw.to_string(), warehouse);
        assert!(records.len() < 2, "{records:?}");
        Some(match records.pop()?.parsed {
            Ok(Observed::Stock(level)) => {
                assert!(level.free && level.as_of.is_none());
                Ok((level.code, level.location, level.quantity))
            }
            other => Err(other.map(|_| ()).unwrap_err().reason),
        })
    };
    let level = |place: &str, quantity| {
        Some(Ok((
            "MUG-BLUE".to_owned(),
            Some(place.to_owned()),
            quantity,
        )))
    };
    assert_eq!(read(&item(), Some("OPL")), level("OPL", 70));
    assert_eq!(read(&item(), Some("NBZ")), level("NBZ", 26));
    assert_eq!(
        read(&item(), Some("XXX")),
        level("XXX", 0),
        "the others make up the whole"
    );
    let why = read(&item(), None).unwrap().unwrap_err();
    assert!(why.contains("set warehouse"), "{why}");
    let mut one = item();
    one["stocks"][1]["quantity"] = json!(0);
    assert_eq!(read(&one, None), level("OPL", 70));
    // Not zero: it is not known.
    let mut unsaid = item();
    unsaid["stock"] = json!(null);
    assert_eq!(read(&unsaid, Some("XXX")), None);
    for field in ["warehouse", "available"] {
        let mut bad = item();
        bad["stocks"][0][field] = json!(null);
        bad["stocks"][1]["quantity"] = json!(0);
        let why = read(&bad, None).unwrap().unwrap_err();
        assert!(
            why.starts_with("MUG-BLUE: stocks have one without"),
            "{why}"
        );
    }
}

/// A shop that keeps fractions of a yen states no tax in whole yen: nothing is calculated in its place.
#[test]
fn cash_on_delivery_without_a_stated_tax_is_collected_in_full() {
    let mut told = told();
    told.asks.cod = told.asks.cod.map(|cod| Cod { tax: None, ..cod });
    let sent = instruction::shipment(&told, &Settings::of("TS001")).unwrap();
    assert!(sent.cash_on_delivery);
    assert_eq!(
        (
            sent.total_for_cash_on_delivery,
            sent.tax_for_cash_on_delivery
        ),
        (Some(4_240), None)
    );
}

/// Staff take goods away, or accept more than there is.
#[test]
fn less_than_nothing_left_counts_as_none_and_is_told() {
    let mut item = sample(include_str!("../../samples/item.json"));
    item["stocks"][0]["available"] = json!(-3);
    let records = stock::records(&item.to_string(), Some("OPL"));
    let [counted, told] = records.as_slice() else {
        panic!("{records:?}")
    };
    let Ok(Observed::Stock(level)) = &counted.parsed else {
        panic!("{counted:?}")
    };
    assert_eq!((level.quantity, level.free), (0, true));
    let bad = told.parsed.as_ref().unwrap_err();
    assert_eq!(
        bad.external_id.as_ref().map(ExternalId::as_str),
        Some("MUG-BLUE")
    );
    assert!(bad.reason.contains("available is -3"), "{}", bad.reason);
    // Of the same part as the count: the next one that is none below zero settles it.
    assert_eq!(bad.part, None);
    assert_eq!(told.raw, counted.raw);
}
