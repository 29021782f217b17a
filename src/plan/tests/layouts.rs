//! What the layout of a warehouse cannot write is told while the order is planned.

use std::sync::Arc;

use hikiate_sdk::{AccountConfig, Connector, OrderSnapshot, Party, Personal};
use serde_json::{Value, json};

use super::build::{SHOP, order, slug};
use super::world::World;
use crate::action::Action;
use crate::facts::FactBody;
use crate::plan::command::{Now, set_name};
use crate::plan::not_written;
use crate::plan::types::{NotWritten, OrderPlan, Status, Written};
use crate::registry::CONNECTORS;

/// The account of a warehouse that takes files of a shipped layout.
fn files(layout: &str) -> Arc<dyn Connector> {
    built("files", &json!({ "folder": "none", "layout": layout }))
}

/// The account of one that has no layout.
fn openlogi() -> Arc<dyn Connector> {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "token").unwrap();
    let url = "https://api.openlogi.com/api";
    let settings = json!({ "url": url, "token": { "file": token }, "account": "TS001" });
    built("openlogi", &settings)
}

fn built(connector: &str, settings: &Value) -> Arc<dyn Connector> {
    let kind = CONNECTORS.iter().find(|kind| kind.name() == connector);
    let folder = std::env::temp_dir();
    let account = AccountConfig {
        slug: &slug("wms"),
        settings,
        base_dir: &folder,
        timezone: "Asia/Tokyo",
        link: &hikiate_sdk::Link::new(hikiate_sdk::budget::Clock::default()),
    };
    kind.unwrap().build(&account).unwrap()
}

/// An order whose receiver and titles are these, and what its layouts say of it; tokyo takes UTF-8 or CP932, osaka CP932.
struct Shop {
    world: World,
    tokyo: Arc<dyn Connector>,
    osaka: Arc<dyn Connector>,
}

impl Shop {
    fn new(tokyo: &str, order: OrderSnapshot, ship_to: Party) -> Self {
        let mut world = World::new(order);
        world.input.personal = Some(living(ship_to));
        Self {
            world,
            tokyo: files(tokyo),
            osaka: files("japanese-3pl-cp932"),
        }
    }

    fn asked(&self) -> Vec<NotWritten> {
        not_written(&self.world.input, &self.world.policy, |account| {
            let tokyo = account.as_str() == "wms-tokyo";
            if tokyo { &self.tokyo } else { &self.osaka }.operations()
        })
    }

    /// Plans, with the layouts asked each time, until it is decided what ships.
    fn settle(&mut self) -> OrderPlan {
        for _ in 0..3 {
            self.world.input.not_written = self.asked();
            self.world.plan();
            self.world.allocate();
        }
        self.world.input.not_written = self.asked();
        self.world.plan()
    }
}

fn living(party: Party) -> Personal {
    let mut personal = Personal::default();
    personal.ship_to.insert("1".to_owned(), party);
    personal
}

fn taro() -> Party {
    Party {
        name: "山田 太郎".to_owned(),
        country: "JP".to_owned(),
        postal_code: "100-0001".to_owned(),
        region: "東京都".to_owned(),
        city: "千代田区".to_owned(),
        address1: "千代田1-1".to_owned(),
        phone: "03-1234-5678".to_owned(),
        ..Party::default()
    }
}

fn titled(title: &str) -> OrderSnapshot {
    let mut order = order(&[("A", 1, 1000)]);
    order.lines[0].title = title.to_owned();
    order
}

#[test]
fn a_title_that_the_layout_has_not_holds_the_order_when_it_is_planned() {
    let mut shop = Shop::new("japanese-3pl-cp932", titled("りんご♡セット"), taro());
    let plan = shop.settle();
    assert_eq!(
        (plan.status, plan.blocked_by.as_deref()),
        (Status::Unallocated, Some("check:not_writable"))
    );
    assert!(shop.world.input.shipments.is_empty(), "before any wave");
    let task = plan.tasks.iter().find(|t| t.kind == "not_writable");
    let detail = &task.unwrap().detail;
    for words in [
        "layout of tokyo cannot write a title",
        "column 商品名: contains the character U+2661",
        "[map]",
    ] {
        assert!(detail.contains(words), "{words}: {detail}");
    }
    assert!(!detail.contains("りんご") && task.unwrap().actions.is_empty());
    assert!(plan.next.is_some(), "a mended layout is noticed");
    shop.tokyo = files("japanese-3pl-utf8");
    assert_eq!(shop.settle().blocked_by.as_deref(), Some("batch"));
}

#[test]
fn each_part_is_named_by_its_column_and_rule() {
    let part = |order: OrderSnapshot, ship_to: Party| {
        let told = Shop::new("japanese-3pl-cp932", order, ship_to).asked();
        let of_tokyo = told.into_iter().filter(|one| one.warehouse == "tokyo");
        of_tokyo.map(|one| (one.part, one.why)).collect::<Vec<_>>()
    };
    let said = |column: &str, rule: &str| {
        format!("instruct row HK0123456789ABC-S1, column {column}: {rule}")
    };
    let no_such = "contains the character U+20BB7, which the file's encoding does not have";
    let name = |name: &str| Party {
        name: name.to_owned(),
        ..taro()
    };
    assert_eq!(part(titled("りんご"), taro()), []);
    assert_eq!(
        part(titled("りんご"), name("𠮷野 花子")),
        [(Written::Name, said("お届け先氏名", no_such))]
    );
    let long = "寿限無".repeat(11);
    assert_eq!(
        part(titled("りんご"), name(&long)),
        [(
            Written::Name,
            said("お届け先氏名", "has 66 bytes, the layout allows 64")
        )]
    );
    let both = Party {
        address2: "𠮷ビル".to_owned(),
        ..name(&long)
    };
    let told = part(titled("りんご"), both);
    assert_eq!(
        told.iter().map(|(part, _)| *part).collect::<Vec<_>>(),
        [Written::Name, Written::Address]
    );
    let abroad = Party {
        country: "JPN".to_owned(),
        ..name(&long)
    };
    assert_eq!(
        part(titled("りんご♡"), abroad),
        [(
            Written::Address,
            said("国コード", "has 3 bytes, the layout allows 2")
        )],
        "neither the name nor the title is to blame"
    );
    // Combining marks are written as one letter, and a receiver in Hong Kong has no postal code.
    let garcia = Party {
        country: "HK".to_owned(),
        postal_code: String::new(),
        ..name("カ\u{3099}ルシア")
    };
    assert_eq!(part(titled("りんご"), garcia), []);
}

#[test]
fn an_account_without_a_layout_says_itself_what_to_correct() {
    let detail = |ship_to: Party| {
        let mut shop = Shop::new("japanese-3pl-utf8", titled("りんご"), ship_to);
        shop.tokyo = openlogi();
        let plan = shop.settle();
        let task = plan.tasks.iter().find(|t| t.kind == "not_writable");
        task.unwrap().detail.clone()
    };
    let abroad = Party {
        country: "DE".to_owned(),
        ..taro()
    };
    let long = Party {
        name: "寿限無".repeat(6),
        ..taro()
    };
    for (ship_to, words) in [
        (
            abroad,
            [
                "tokyo does not take the address",
                "only addresses in Japan",
                "Correct it at the channel",
            ],
        ),
        (
            long,
            [
                "tokyo does not take the recipient's name",
                "set long_names",
                "order set-name",
            ],
        ),
        (
            taro(),
            [
                "tokyo does not take the shipping method",
                "under [warehouses.NAME.services]",
                "restart",
            ],
        ),
    ] {
        let told = detail(ship_to);
        for words in words {
            assert!(told.contains(words), "{words}: {told}");
        }
        assert!(
            !told.contains("layout") && !told.contains("[map]"),
            "{told}"
        );
    }
}

#[test]
fn only_the_warehouse_that_has_the_goods_counts_and_before_that_all_of_them() {
    let mut shop = Shop::new("japanese-3pl-utf8", titled("りんご♡セット"), taro());
    assert_eq!(shop.asked(), [], "tokyo can write it");
    shop.world.stock.insert((1, "tokyo"), 0);
    let plan = shop.settle();
    assert_eq!(plan.blocked_by.as_deref(), Some("check:not_writable"));
    let told: Vec<String> = shop.asked().into_iter().map(|one| one.warehouse).collect();
    assert_eq!(told, ["osaka"]);
}

#[test]
fn a_name_is_written_over_and_the_order_goes_on() {
    let mut shop = Shop::new(
        "japanese-3pl-cp932",
        titled("りんご"),
        Party {
            name: "𠮷野 花子".to_owned(),
            ..taro()
        },
    );
    let plan = shop.settle();
    let task = plan.tasks.iter().find(|t| t.kind == "not_writable");
    assert_eq!(task.unwrap().actions, [Action::SetName {}]);
    let world = &shop.world;
    let on = Now {
        input: &world.input,
        policy: &world.policy,
        rules: &world.rules,
        now: world.now,
    };
    let (wish, group) = set_name(on, None, false, "the label takes no such character").unwrap();
    assert_eq!(group.as_str(), "1");
    let body = &wish.facts[0].body;
    assert!(matches!(body, FactBody::ReceiverNamed(named) if named.group == group));
    assert!(
        set_name(on, Some("2"), false, "x")
            .unwrap_err()
            .contains("it has 1")
    );
    // The store lays the name over the channel's.
    shop.world.input.personal = Some(living(Party {
        name: "吉野 花子".to_owned(),
        ..taro()
    }));
    assert_eq!(shop.settle().blocked_by.as_deref(), Some("batch"));
    shop.world.wait(60);
    let sealed = shop.world.seal();
    assert_eq!(sealed.len(), 1);
    let world = &shop.world;
    let on = Now {
        input: &world.input,
        policy: &world.policy,
        rules: &world.rules,
        now: world.now,
    };
    let why = set_name(on, None, false, "x").unwrap_err();
    assert!(why.contains("order recall HK0123456789ABC-S1"), "{why}");
    assert_eq!(world.input.channel.as_str(), SHOP);
}

#[test]
fn an_address_that_vanishes_after_sealing_is_no_check_any_more() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    world.settle();
    world.wait(60);
    world.seal();
    world.edit(|order| {
        order.lines[0].group = "2".into();
        order.groups[0].key = "2".into();
    });
    let plan = world.plan();
    assert!(
        !World::kinds(&plan).contains(&"address_incomplete"),
        "{:?}",
        plan.tasks
    );
}
