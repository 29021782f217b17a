//! Every sample of the field cases under the shipped layouts, by value.

use std::path::Path;

use hikiate_sdk::sim::skipped;
use hikiate_sdk::{Observed, Record, ReplyVerdict};

use crate::support::{cp932, site};

/// 10:00 in Tokyo; each file was written a quarter of an hour before.
const READ: &str = "2026-11-28T01:00:00Z";
/// By then a file without a last line end is still.
const STILL: &str = "2026-11-28T01:05:00Z";
const WRITTEN: &str = "2026-11-28T00:45:00Z";

/// What comes of each sample; those of a shape that is new to the folder are to be added here.
const WANTED: &[(&str, &[&str])] = &[
    ("01/zaiko-1.csv", &["stock VA-1@T 5 at 11-27T22:41:32"]),
    (
        "02/jisseki-1.csv",
        &["parcel 910000000001 number 910000000001 left 11-27T22:42:00: 1x3 VE-1"],
    ),
    (
        "02/jisseki-line-removed.csv",
        &["parcel 910000000002 number 910000000002 left 11-27T22:42:01: 1x3 VE-3"],
    ),
    (
        "03/jisseki-1.csv",
        &["parcel 910000000003 number 910000000003 left 11-27T22:42:02: 1x1 VE-2"],
    ),
    (
        "05/jisseki-1.csv",
        &["parcel left 2026/11/28 07:42:12 number none left 11-27T22:42:12: 1x1 VT-1"],
    ),
    (
        "05/jisseki-2.csv",
        &["parcel 401234567811 number 401234567811 left 11-27T22:42:12: 1x1 VT-1"],
    ),
    (
        "07/jisseki-1.csv",
        &[
            "bad shipped, column 送り状番号: is a number that a spreadsheet has rounded: send it as text",
        ],
    ),
    (
        "08/jisseki-1.csv",
        &["parcel 401234567802 number 401234567802 left 11-27T22:42:12: 1x1 VS-a"],
    ),
    (
        "08/jisseki-2.csv",
        &["parcel 401234567802 number 401234567802 left 11-27T22:42:35: 2x1 VS-b"],
    ),
    (
        "09/jisseki-1.csv",
        &["parcel 401234567803 number 401234567803 left 11-27T22:42:12: 1x1 VW-b"],
    ),
    (
        "11/jisseki-1.csv",
        &["bad shipped, column 出荷日時: has no four-digit year"],
    ),
    (
        "12/jisseki-1.csv",
        &["bad shipped, column 出荷日時: is more than 10 minutes after the file was fetched"],
    ),
    (
        "13/jisseki-1.csv",
        &["parcel 920000000001 number 920000000001 left 11-27T22:42:55: 1x2 VR-1"],
    ),
    (
        "14/jisseki-1.csv",
        &["bad shipped, column 出荷日時: does not match the time format \"%Y/%m/%d %H:%M:%S\""],
    ),
    ("14/uketsuke-2.csv", &["reply true at 11-27T22:43:28"]),
    (
        "17/zaiko-1.csv",
        &[
            "stock VK-1@良品 1 at 11-27T22:43:32",
            "stock VK-1@不良品 9 at 11-27T22:43:32",
        ],
    ),
    (
        "18/zaiko-ahead-1.csv",
        &["bad stock, column 集計日時: is more than 10 minutes after the file was fetched"],
    ),
    (
        "18/zaiko-ahead-2.csv",
        &["stock VK-3@T 1 at 11-27T22:43:37"],
    ),
    (
        "18/zaiko-same-1.csv",
        &["stock VK-2@T 10 at 11-27T22:43:33"],
    ),
    ("18/zaiko-same-2.csv", &["stock VK-2@T 0 at 11-27T22:43:33"]),
    (
        "19/jisseki-1.csv",
        &[
            "parcel 940000000001 number 940000000001 left 11-27T22:43:43: 1x1 VX-0, 2x1 VX-1, 3x1 VX-2, 4x1 VX-3, 5x1 VX-4, 6x1 VX-5, 7x1 VX-6, 8x1 VX-7, 9x1 VX-8, 10x1 VX-9",
        ],
    ),
    (
        "23/jisseki-1.csv",
        &["parcel 910000000003 number 910000000003 left 11-27T22:44:07: 1x1 VE-2"],
    ),
    ("24/jisseki-1.csv", &[]),
    ("25/zaiko-1.csv", &["stock V25-000@T 10 at 11-27T22:00:00"]),
    ("25/zaiko-2.csv", &["stock V25-000@T 10 at 11-27T23:00:00"]),
    ("25/zaiko-3.csv", &["stock V25-000@T 10 at 11-28T00:00:00"]),
    (
        "30/jisseki-1.csv",
        &["parcel 401234567890 number 401234567890 also 401234567901 left 11-28T00:00:00: 1x2 V30"],
    ),
    (
        "32/zaiko-1.csv",
        &[
            "stock V32-1@01 5 at 11-27T22:00:00",
            "stock V32-2@02 5 at 11-27T22:00:00",
        ],
    ),
    (
        "32/zaiko-2-after-a-spreadsheet.csv",
        &[
            "stock V32-1@1 0 at 11-27T22:30:00",
            "stock V32-2@2 0 at 11-27T22:30:00",
            "stock V32-3@1 5 at 11-27T22:30:00",
        ],
    ),
];

/// What a record says, in one line.
fn says(record: &Record) -> String {
    match &record.parsed {
        Ok(Observed::Parcel(p)) => {
            let line = |l: &hikiate_sdk::ParcelLine| {
                format!(
                    "{}x{} {}",
                    l.n,
                    l.quantity,
                    l.code.as_deref().unwrap_or("?")
                )
            };
            let lines: Vec<_> = p.lines().iter().map(line).collect();
            let also = if p.also.is_empty() {
                String::new()
            } else {
                format!(" also {}", p.also.join(" "))
            };
            let number = p.tracking.as_deref().unwrap_or("none");
            format!(
                "parcel {} number {number}{also} left {}: {}",
                p.key,
                p.shipped_at.format("%m-%dT%H:%M:%S"),
                lines.join(", ")
            )
        }
        Ok(Observed::Stock(s)) => format!(
            "stock {}@{} {} at {}",
            s.code,
            s.location.as_deref().unwrap_or(""),
            s.quantity,
            s.as_of.unwrap().format("%m-%dT%H:%M:%S")
        ),
        Ok(Observed::InstructionReply(r)) => {
            let taken = r.verdict == ReplyVerdict::Accepted;
            format!(
                "reply {taken} at {}",
                r.at.unwrap().format("%m-%dT%H:%M:%S")
            )
        }
        Ok(other) => panic!("{other:?}"),
        Err(bad) => format!("bad {}", bad.cause),
    }
}

#[tokio::test]
async fn every_sample_is_read_as_it_should_be() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases");
    if !cases.is_dir() {
        let why = format!("{} with the field cases is not here", cases.display());
        return skipped("every_sample_is_read_as_it_should_be", &why);
    }
    let mut samples = Vec::new();
    for case in std::fs::read_dir(&cases).unwrap() {
        for file in std::fs::read_dir(case.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "csv") {
                samples.push(path);
            }
        }
    }
    samples.sort();
    for layout in ["japanese-3pl-utf8", "japanese-3pl-cp932"] {
        let mut found = Vec::new();
        for path in &samples {
            let text = std::fs::read_to_string(path)
                .unwrap()
                .replace("{REFERENCE}", "HKCASE-S1");
            let bytes = if layout.ends_with("cp932") {
                cp932(&text)
            } else {
                text.into_bytes()
            };
            let name = path.file_name().unwrap().to_str().unwrap();
            let site = site(layout);
            site.put_at(&format!("incoming/{name}"), &bytes, WRITTEN);
            let stream = if name.starts_with("zaiko") {
                "stock"
            } else {
                "shipments"
            };
            let mut page = site.page_at(stream, None, READ).await;
            if page.ack.is_none() {
                // Its last line does not end.
                page = site.page_at(stream, Some(&page.next), STILL).await;
            }
            assert!(
                page.ack.is_some() && page.waiting.is_empty(),
                "{name} is read and put away"
            );
            let case = path
                .parent()
                .unwrap()
                .file_name()
                .unwrap()
                .to_str()
                .unwrap();
            let said: Vec<_> = page.records.iter().map(says).collect();
            found.push((format!("{}/{name}", &case[..2]), said));
        }
        let wanted: Vec<_> = WANTED
            .iter()
            .map(|(name, said)| {
                let said = said.iter().map(|s| (*s).to_owned());
                ((*name).to_owned(), said.collect::<Vec<_>>())
            })
            .collect();
        assert_eq!(found, wanted, "{layout}");
    }
}
