//! The connector and the simulated warehouse, back and forth.

use std::collections::BTreeMap;

use hikiate_files::load_layout;
use hikiate_files::sim::{SimCancel, SimFile, SimFolders, SimHandling, SimShipment, WarehouseSim};
use hikiate_sdk::text::without_quotes;
use hikiate_sdk::{
    Call, CancelInstructionCall, CancelVerdict, Observed, Op, ReplyVerdict, ShipmentReference,
};
use serde_json::Value;

use crate::support::{Site, at, instruct, instruction, site, site_with};

fn policy(shipment: &SimShipment) -> SimHandling {
    let mut handling = SimHandling::default();
    match shipment.reference.as_str() {
        "HK2-S1" => handling.reject = Some("在庫なし".to_owned()),
        "HK3-S1" => handling.parcel_per_line = true,
        "HK4-S1" => handling.ship_after = 100,
        "HK5-S1" => {
            handling.ship_after = 100;
            handling.cancel = SimCancel::Decline;
        }
        "HK6-S1" => handling.leave_out = 1,
        _ => {}
    }
    handling
}

fn warehouse(site: &Site) -> WarehouseSim {
    let layout = load_layout("layout.toml", site.dir.path()).unwrap();
    WarehouseSim::new(
        site.folder(),
        SimFolders::default(),
        layout,
        chrono_tz::Asia::Tokyo,
    )
    .with_policy(policy)
    .with_place("W1")
}

async fn read_all(site: &Site, stream: &str, cursor: &mut Option<Value>) -> Vec<Observed> {
    let mut all = Vec::new();
    loop {
        let page = site.page(stream, cursor.as_ref()).await;
        all.extend(page.records.into_iter().map(|r| r.parsed.unwrap()));
        if let Some(ack) = &page.ack {
            site.source().acknowledge(ack).await.unwrap();
        }
        *cursor = Some(page.next);
        if !page.more {
            return all;
        }
    }
}

async fn send(site: &Site, call: &Call) {
    let prepared = site.operations().prepare(call).unwrap();
    site.operations()
        .send_one(call.op(), &prepared)
        .await
        .unwrap();
}

async fn cancel(site: &Site, reference: &str) {
    let call = CancelInstructionCall {
        key: format!("c:{reference}"),
        reference: ShipmentReference::from(reference),
        order_number: reference[..3].to_owned(),
    };
    send(site, &Call::CancelInstruction(call)).await;
}

async fn whole_way(site: &Site) {
    let sim = warehouse(site);
    sim.set_stock("A-1", 10);
    sim.set_stock("B-2", 10);
    let mut cursor = None;
    let call = instruct(
        (1..=6)
            .map(|n| instruction(&format!("HK{n}-S1"), &[("A-1", 2), ("B-2", 1)]))
            .collect(),
    );
    send(site, &call).await;
    let told = sim.tick(at("2026-11-21T04:00:00Z")).await.unwrap();
    assert_eq!((told.files, told.accepted, told.rejected), (1, 5, 1));
    let replies = read_all(site, "shipments", &mut cursor).await;
    let rejected: Vec<_> = replies
        .iter()
        .filter_map(|o| {
            if let Observed::InstructionReply(r) = o {
                (r.verdict == ReplyVerdict::Rejected)
                    .then(|| (r.reference.to_string(), r.message.clone()))
            } else {
                None
            }
        })
        .collect();
    assert_eq!(
        (replies.len(), rejected),
        (6, vec![("HK2-S1".to_owned(), "在庫なし".to_owned())])
    );

    for reference in ["HK1-S1", "HK4-S1", "HK5-S1", "HK9-S1"] {
        cancel(site, reference).await;
    }
    sim.deliver_twice(SimFile::Shipped);
    let told = sim.tick(at("2026-11-21T05:00:00Z")).await.unwrap();
    assert_eq!((told.parcels, told.cancels), (3, 4));
    let observed = read_all(site, "shipments", &mut cursor).await;
    let verdicts: BTreeMap<_, _> = observed
        .iter()
        .filter_map(|o| {
            if let Observed::CancelReply(c) = o {
                Some((c.reference.to_string(), c.verdict))
            } else {
                None
            }
        })
        .collect();
    let want = [
        ("HK1-S1", CancelVerdict::TooLate),
        ("HK4-S1", CancelVerdict::Accepted),
        ("HK5-S1", CancelVerdict::Declined),
        ("HK9-S1", CancelVerdict::Declined),
    ];
    assert_eq!(
        verdicts,
        want.into_iter().map(|(r, v)| (r.to_owned(), v)).collect()
    );
    let parcels: Vec<_> = observed
        .iter()
        .filter_map(|o| {
            if let Observed::Parcel(p) = o {
                // By which file it was told differs.
                let told = None;
                Some(hikiate_sdk::ParcelReport { told, ..p.clone() })
            } else {
                None
            }
        })
        .collect();
    assert_eq!(parcels.len(), 6, "three parcels, delivered twice");
    assert_eq!(parcels[..3], parcels[3..]);
    sim.tick(at("2026-11-21T06:00:00Z")).await.unwrap();
    read_all(site, "shipments", &mut cursor).await;

    let shipped = sim.shipped();
    assert_eq!(
        shipped.keys().collect::<Vec<_>>(),
        ["HK1-S1", "HK3-S1", "HK6-S1"]
    );
    assert_eq!(shipped["HK3-S1"].len(), 2);
    assert_ne!(shipped["HK3-S1"][0].tracking, shipped["HK3-S1"][1].tracking);
    assert_eq!(
        shipped["HK6-S1"][0]
            .lines
            .iter()
            .map(|l| l.quantity)
            .collect::<Vec<_>>(),
        [2]
    );
    assert_eq!(
        shipped["HK1-S1"][0].tracking,
        parcels[0].tracking.clone().unwrap()
    );
    assert_eq!(sim.cancelled(), ["HK4-S1"]);
    assert_eq!(
        sim.stock(),
        BTreeMap::from([("A-1".to_owned(), 4), ("B-2".to_owned(), 8)])
    );
    assert!(sim.duplicates().is_empty() && sim.instructed("HK1-S1") == 1);
    assert_eq!(sim.shipments()["HK1-S1"].cells["お届け先氏名"], "髙橋 一郎");

    sim.write_stock(at("2026-11-21T07:00:00Z")).await.unwrap();
    let stock = read_all(site, "stock", &mut None).await;
    assert!(stock.iter().any(|o| matches!(o, Observed::Stock(s) if s.code == "A-1" && s.quantity == 4 && s.location.as_deref() == Some("W1") && s.as_of == Some(at("2026-11-21T07:00:00Z")))));

    // The same batch again, as after a lost reply: the warehouse sees nothing new.
    if site.names("outgoing").len() > 1 {
        let prepared = site.operations().prepare(&call).unwrap();
        site.operations()
            .send_one(Op::Instruct, &prepared)
            .await
            .unwrap();
        sim.tick(at("2026-11-21T08:00:00Z")).await.unwrap();
        assert_eq!(sim.instructed("HK1-S1"), 1);
    }
}

#[tokio::test]
async fn what_a_warehouse_repeats_of_the_recipient_stands_in_its_message_alone() {
    let site = site("japanese-3pl-cp932");
    let sim = warehouse(&site);
    sim.repeats_names(true);
    let call = instruct(vec![instruction("HK2-S1", &[("A-1", 1)])]);
    send(&site, &call).await;
    sim.tick(at("2026-11-21T04:00:00Z")).await.unwrap();
    let replies = read_all(&site, "shipments", &mut None).await;
    let [Observed::InstructionReply(reply)] = replies.as_slice() else {
        panic!("{} records", replies.len())
    };
    for told in ["在庫なし", "髙橋 一郎", "秋田市", "018-000-0000"] {
        assert!(reply.message.contains(told), "{told}: {}", reply.message);
    }
    // In place of a verdict or a number it is a reason, which a log must be able to leave out; so it is in any other column of a row
    // that is shifted by a cell.
    let reply = "出荷指示番号,受付結果,メッセージ,受付日時";
    let shipped = "出荷指示番号,行番号,出荷数量,送り状番号,出荷日時";
    for (file, header, row) in [
        ("uketsuke-9.csv", reply, "HK2-S1,高橋 一郎様 転居,,"),
        ("uketsuke-9.csv", reply, "HK2-S1,OK,,高橋 一郎様 転居"),
        (
            "jisseki-9.csv",
            shipped,
            "HK2-S1,1,1,高橋 一郎 090-0000-0000 他1件,2026/11/21 13:00:00",
        ),
        (
            "jisseki-9.csv",
            shipped,
            "HK2-S1,1,1,401234567890,高橋 一郎 090-0000-0000",
        ),
        (
            "jisseki-9.csv",
            shipped,
            "HK2-S1,1,高橋 一郎,401234567890,2026/11/20 13:00:00",
        ),
        (
            "jisseki-9.csv",
            shipped,
            "HK2-S1,高橋 一郎,1,401234567890,2026/11/20 13:00:00",
        ),
    ] {
        let site = self::site("japanese-3pl-cp932");
        let rows = crate::support::cp932(&format!("{header}\r\n{row}\r\n"));
        site.put(&format!("incoming/{file}"), &rows);
        let page = site.page("shipments", None).await;
        let Some(Err(bad)) = page.records.first().map(|record| &record.parsed) else {
            panic!("{row}: {} records", page.records.len())
        };
        assert!(bad.reason.contains("高橋 一郎"), "{}", bad.reason);
        for text in [&bad.reason, &bad.cause] {
            let logged = without_quotes(text);
            assert!(logged.contains("column "), "{logged}");
            assert!(
                !logged.contains("高橋") && !logged.contains("090"),
                "{logged}"
            );
        }
    }
}

#[tokio::test]
async fn cp932() {
    whole_way(&site("japanese-3pl-cp932")).await;
}

#[tokio::test]
async fn utf8_with_tabs_trailers_and_removal() {
    let site = site_with("japanese-3pl-utf8", &|t| {
        t.replace("separator = \",\"", "separator = \"\\t\"")
            .replace("encoding = \"utf8\"", "encoding = \"utf8-bom\"")
            .replace("quote = \"minimal\"", "quote = \"all\"")
            .replace("whole = \"stable\"", "whole = { trailer = \"EOF\" }")
            .replace("picked_up = \"kept\"", "picked_up = \"removed\"")
    });
    whole_way(&site).await;
}

#[tokio::test]
async fn markers_and_no_headers() {
    let site = site_with("japanese-3pl-cp932", &|t| {
        t.replace("header = true", "header = false")
            .replace("whole = \"stable\"", "whole = { marker = \".done\" }")
    });
    whole_way(&site).await;
}
