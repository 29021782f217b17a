//! What an order asks beyond goods and address: written into a column, or refused with the reason.

use hikiate_sdk::{
    Cod, Currency, Customs, ErrorClass, Gift, Instruction, Party, Prepared, SlipPrices, Temperature,
};

use crate::support::{Site, instruct, instruction, site, site_with};

const COLUMNS: &str = r#"columns = [
  { name = "asks", value = "{{ row.arrive_on }}/{{ row.slot }}/{{ row.temperature }}/{{ row.sender.name }}" },
  { name = "gift", value = "{{ row.gift.noshi }}/{{ row.gift.noshi_name }}/{{ row.gift.wrapping }}/{{ row.gift.message }}" },
  { name = "cod", value = "{{ row.cod_amount }}/{{ row.cod_tax }}/{{ row.currency }}" },
  { name = "prices", value = "{{ row.price }}/{{ row.goods }}/{{ row.postage }}/{{ row.fees }}/{{ row.discount }}/{{ row.total }}" },
  { name = "customs", value = "{{ row.hs_code }}/{{ row.origin }}/{{ row.customs_value }}" },
  { name = "items", value = "{{ row.items | map(attribute='code') | join('+') }}" },
"#;

/// The text of the file that would be written.
fn content(prepared: &Prepared) -> String {
    let text = String::from_utf8(prepared.bytes.clone()).unwrap();
    text.split_once('\n').unwrap().1.to_owned()
}

fn written(site: &Site, instruction: Instruction) -> Result<Vec<Vec<String>>, String> {
    let prepared = site.operations().prepare(&instruct(vec![instruction]));
    let prepared = prepared.map_err(|error| {
        assert_eq!(error.class, ErrorClass::Rejected);
        error.message
    })?;
    let text = content(&prepared);
    let rows = text.lines().skip(1);
    Ok(rows
        .map(|row| row.split(',').take(6).map(str::to_owned).collect())
        .collect())
}

fn asking() -> Instruction {
    let mut asking = instruction("HK1-S1", &[("A", 2), ("B", 1)]);
    asking.asks.arrive_on = "2026-12-24".parse().ok();
    asking.asks.slot = Some("0812".to_owned());
    asking.asks.temperature = Some(Temperature::Frozen);
    asking.asks.sender = Some(Party {
        name: "贈 主".to_owned(),
        ..Party::default()
    });
    asking.asks.gift = Gift {
        noshi: "内祝".to_owned(),
        noshi_name: "田中".to_owned(),
        wrapping: "赤".to_owned(),
        message: "おめでとう".to_owned(),
    };
    asking.asks.cod = Some(Cod {
        currency: Currency::JPY,
        amount: 3500,
        tax: Some(318),
    });
    asking.asks.prices = Some(SlipPrices {
        currency: Currency::JPY,
        goods: 3000,
        postage: 500,
        fees: 330,
        discount: -330,
        total: 3500,
    });
    asking.lines[0].unit_price = Some(1000);
    asking.lines[0].customs = Customs {
        hs_code: Some("691200".to_owned()),
        origin: Some("JP".to_owned()),
        value: None,
    };
    asking
}

#[test]
fn every_value_of_what_is_asked_is_there_for_a_column() {
    let site = site_with("japanese-3pl-utf8", &|text| {
        text.replacen("columns = [\n", COLUMNS, 1)
    });
    let rows = written(&site, asking()).unwrap();
    let first = [
        "2026-12-24/0812/frozen/贈 主",
        "内祝/田中/赤/おめでとう",
        "3500/318/JPY",
        "1000/3000/500/330/-330/3500",
        "691200/JP/1000",
        "A+B",
    ];
    assert_eq!(rows[0], first);
    assert_eq!(rows[1][4], "//", "the second line says nothing for customs");
    let plain = written(&site, instruction("HK1-S1", &[("A", 2)])).unwrap();
    assert_eq!(plain[0], ["///", "///", "//", "/////", "//", "A"]);
}

#[test]
fn what_no_column_writes_is_refused_and_never_left_out_silently() {
    let site = site("japanese-3pl-utf8");
    type Change = fn(&mut Instruction);
    let refused: [(Change, &str, &str); 6] = [
        (
            |i| i.asks.arrive_on = asking().asks.arrive_on,
            "a delivery date",
            "row.arrive_on",
        ),
        (
            |i| i.asks.slot = asking().asks.slot,
            "a time of day",
            "row.slot",
        ),
        (
            |i| i.asks.temperature = Some(Temperature::Chilled),
            "a chilled or frozen parcel",
            "row.temperature",
        ),
        (
            |i| i.asks.sender = asking().asks.sender,
            "another sender",
            "row.sender.name",
        ),
        (
            |i| i.asks.gift.message = "x".to_owned(),
            "a gift message",
            "row.gift.message",
        ),
        (
            |i| i.asks.cod = asking().asks.cod,
            "cash on delivery",
            "row.cod_amount",
        ),
    ];
    for (change, what, value) in refused {
        let mut asked = instruction("HK1-S1", &[("A", 1)]);
        change(&mut asked);
        let why = written(&site, asked).unwrap_err();
        let words = format!("instruct row HK1-S1: the order requires {what}, but no column");
        assert!(why.contains(&words) && why.contains(value), "{why}");
        assert!(!why.contains("贈"), "no personal text: {why}");
    }
    let goes: [Change; 2] = [
        |i| i.asks.temperature = Some(Temperature::Ambient),
        |i| i.asks.prices = asking().asks.prices,
    ];
    for change in goes {
        let mut asked = instruction("HK1-S1", &[("A", 1)]);
        change(&mut asked);
        assert!(written(&site, asked).is_ok());
    }
}

#[test]
fn a_layout_may_do_without_all_but_the_money() {
    let ignoring = |words: &str| {
        let ignores = format!("[instruct]\nignores = [{words}]\n");
        move |text: &str| text.replace("[instruct]\n", &ignores)
    };
    let all = r#""arrive_on", "slot", "temperature", "sender", "noshi", "noshi_name", "wrapping", "message""#;
    let site = site_with("japanese-3pl-utf8", &ignoring(all));
    let mut asked = asking();
    let why = written(&site, asked.clone()).unwrap_err();
    assert!(
        why.contains("cash on delivery") && !why.contains("ignores"),
        "{why}"
    );
    asked.asks.cod = None;
    assert!(written(&site, asked).is_ok());
    let mut layouts = hikiate_files::SHIPPED.iter();
    let (_, text) = layouts
        .find(|(name, _)| *name == "japanese-3pl-utf8")
        .unwrap();
    let layout: hikiate_files::Layout = toml::from_str(&ignoring("\"cod\"")(text)).unwrap();
    assert!(
        matches!(&layout.problems()[..], [one] if one.starts_with("instruct.ignores: \"cod\"")),
        "{:?}",
        layout.problems()
    );
}

#[test]
fn a_row_a_shipment_names_its_items() {
    let site = site_with("japanese-3pl-utf8", &|text| {
        text.replacen("columns = [\n", COLUMNS, 1)
            .replace("[instruct]\n", "[instruct]\nrows = \"shipments\"\n")
    });
    let two = vec![
        instruction("HK1-S1", &[("A", 2), ("B", 1)]),
        instruction("HK2-S1", &[("C", 1)]),
    ];
    let prepared = site.operations().prepare(&instruct(two)).unwrap();
    let text = content(&prepared);
    let items: Vec<_> = text
        .lines()
        .skip(1)
        .map(|row| row.split(',').nth(5))
        .collect();
    assert_eq!(items, [Some("A+B"), Some("C")]);
}
