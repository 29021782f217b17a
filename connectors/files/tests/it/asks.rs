//! What an order asks beyond goods and address: written into a column, or refused with the reason.

use hikiate_sdk::{
    Cod, Currency, Customs, ErrorClass, Gift, Instruction, Party, Prepared, SlipPrices, Temperature,
};
use serde_json::json;

use crate::support::{Site, build, instruct, instruction, site, site_with};

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

/// The values of a layout that says all that goods cannot ship without.
const WHOLE: [&str; 5] = [
    "{{ row.reference }}",
    "{{ row.ship_to.name }}",
    "{{ row.ship_to.region }}{{ row.ship_to.city }}{{ row.ship_to.address1 }}",
    "{{ row.code }}",
    "{{ row.quantity }}",
];
const SHIPPED_PART: &str = r#"
[shipped]
files = "jisseki-*.csv"
columns = [
  { name = "r", field = "reference" },
  { name = "t", field = "shipped_at", format = "%Y/%m/%d %H:%M" },
]
"#;

/// What is wrong with a layout of these values.
fn wrong(layout: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("layout.toml"), layout).unwrap();
    let codes = json!({ "X-1": "Y-1" });
    let values = json!({ "codes": codes, "sender_phone": "x", "sender_postal_code": "x", "sender_address": "x", "sender_name": "x" });
    let settings = json!({ "folder": ".", "layout": "layout.toml", "values": values });
    let problems = build(dir.path(), &settings).err().unwrap_or_default();
    problems
        .into_iter()
        .map(|problem| problem.message)
        .collect()
}

fn layout(values: &[&str], keys: &str, rest: &str) -> String {
    let columns: String = (1..)
        .zip(values)
        .map(|(n, value)| format!("  {{ name = \"c{n}\", value = \"{value}\" }},\n"))
        .collect();
    format!(
        "title = \"x\"\n[form]\nencoding = \"utf8\"\n[instruct]\naccept = \"delivered\"\n{keys}columns = [\n{columns}]\n{rest}"
    )
}

#[test]
fn a_layout_without_what_goods_cannot_ship_without_is_refused() {
    assert_eq!(wrong(&layout(&WHOLE, "", SHIPPED_PART)), [""; 0]);
    let said = [
        "the reference of the shipment: replies and reports are matched by it; add row.reference",
        "the receiver's name: goods would ship without it; add row.ship_to.name",
        "the address: goods would ship without it; add row.ship_to.address1",
        "the code of a line's item: the warehouse would not know what to ship; add row.code",
        "the quantity of a line: the warehouse would not know how many to ship; add row.quantity",
    ];
    for (at, said) in said.iter().enumerate() {
        let mut values = WHOLE.to_vec();
        values[at] = "{{ row.title }}";
        let told = format!("instruct.columns: no column contains {said} to one");
        assert_eq!(wrong(&layout(&values, "", SHIPPED_PART)), [told]);
    }
    let all = wrong(&layout(&["{{ row.title }}"], "", SHIPPED_PART));
    assert_eq!(all.len(), said.len(), "{all:?}");
}

#[test]
fn what_goods_cannot_ship_without_may_be_written_in_any_way() {
    let with = |at: usize, value: &'static str| {
        let mut values = WHOLE.to_vec();
        values[at] = value;
        values
    };
    for (at, value) in [
        (1, "{{ row.ship_to.company or row.ship_to.name }} 様"),
        (2, "{{ row.ship_to.address1[:2] }}"),
        (3, "{{ row.items[row.n - 1].code }}"),
        (3, "{{ row.items | map(attribute='code') | join('+') }}"),
        (3, "{{ values.codes[row.code] | default('') }}"),
        (4, "{{ row.code }} x {{ row.quantity }}"),
        (4, "{% if row.quantity > 1 %}{{ row.quantity }}{% endif %}"),
    ] {
        let values = with(at, value);
        assert_eq!(
            wrong(&layout(&values, "", SHIPPED_PART)),
            [""; 0],
            "{value}"
        );
    }
    // What only looks like it leaves a line out, or tells one from several.
    for (at, value) in [
        (1, "{{ row.ship_to.company }}"),
        (3, "{{ row.items[0].code }}"),
        (4, "{{ row.items[0].quantity }}"),
        (4, "{% if row.quantity > 1 %}多{% endif %}"),
    ] {
        let values = with(at, value);
        assert_eq!(
            wrong(&layout(&values, "", SHIPPED_PART)).len(),
            1,
            "{value}"
        );
    }
    // Nothing comes back that would be matched.
    assert_eq!(wrong(&layout(&WHOLE[1..], "", "")), [""; 0]);
    // A slip of a shipment; its goods are packed by another list.
    let slips = layout(&WHOLE[..3], "rows = \"shipments\"\n", SHIPPED_PART);
    assert_eq!(wrong(&slips), [""; 0]);
    let slips = layout(&WHOLE[..2], "rows = \"shipments\"\n", SHIPPED_PART);
    assert_eq!(wrong(&slips).len(), 1);
    let slips = include_str!("../../../../config/examples/layouts/carrier-slips.toml");
    assert_eq!(wrong(slips), [""; 0]);
}
