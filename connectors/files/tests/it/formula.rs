//! Cells that a spreadsheet would work out.

use hikiate_sdk::{Call, ErrorClass, Op, Prepared};

use crate::support::{Site, instruct, instruction, site_with};

/// One line with this title, phone number and code.
fn call(title: &str, phone: &str, code: &str) -> Call {
    let mut one = instruction("HK1-S1", &[(code, 1)]);
    one.lines[0].title = title.to_owned();
    one.ship_to.phone = phone.to_owned();
    one.ship_to.address1 = "中通2-3".to_owned();
    instruct(vec![one])
}

fn with(encoding: &str, more: &str) -> Site {
    site_with("japanese-3pl-utf8", &|t| {
        t.replace(
            "encoding = \"utf8\"",
            &format!("encoding = \"{encoding}\"\n{more}"),
        )
    })
}

fn text(prepared: &Prepared) -> String {
    String::from_utf8(prepared.bytes.clone()).unwrap()
}

const CMD: &str = "=cmd|' /C calc'!A0";

#[test]
fn a_file_for_spreadsheets_refuses_a_formula_and_names_the_column() {
    let site = with("utf8-bom", "");
    let prepare = |call: &Call| site.operations().prepare(call);
    for title in [CMD, "+A1", "-A1", "@SUM(A1)"] {
        let error = prepare(&call(title, "", "A-1")).unwrap_err();
        assert_eq!(error.class, ErrorClass::Rejected);
        assert!(
            error.message.starts_with(
                "instruct row HK1-S1, column 商品名: begins like a spreadsheet formula"
            ),
            "{error}"
        );
        assert!(!error.message.contains("cmd"), "{error}");
    }
    let plain = prepare(&call("A=1", "+81-3-1234-5678", "-5")).unwrap();
    assert!(text(&plain).contains(",+81-3-1234-5678,-5,A=1,"));
}

#[test]
fn other_files_keep_it_unless_the_layout_says_otherwise() {
    let site = with("utf8", "");
    let kept = site.operations().prepare(&call(CMD, "", "A-1")).unwrap();
    assert!(text(&kept).contains(&format!(",{CMD},")));
    let site = with("utf8", "formula = \"refuse\"");
    assert!(site.operations().prepare(&call(CMD, "", "A-1")).is_err());
    let site = with("utf8-bom", "formula = \"keep\"");
    assert!(site.operations().prepare(&call(CMD, "", "A-1")).is_ok());
}

#[tokio::test]
async fn an_apostrophe_makes_it_text_and_is_taken_off_when_it_is_read_back() {
    let site = with("utf8-bom", "formula = \"apostrophe\"");
    let prepared = site
        .operations()
        .prepare(&call(CMD, "+81-3-1234-5678", "=A-1"))
        .unwrap();
    let file = text(&prepared);
    assert!(
        file.contains(&format!(",+81-3-1234-5678,'=A-1,'{CMD},")),
        "{file}"
    );
    site.operations()
        .send_one(Op::Instruct, &prepared)
        .await
        .unwrap();
    let since = "2020-01-01T00:00:00Z".parse().unwrap();
    let sent = site
        .operations()
        .sent_since(Op::Instruct, since)
        .await
        .unwrap()
        .unwrap();
    let lines = site.operations().lines_sent(&sent[0]).unwrap();
    assert_eq!((lines[0].code.as_str(), lines[0].quantity), ("=A-1", 1));
}

#[test]
fn a_column_may_differ_and_the_mark_counts() {
    let site = site_with("japanese-3pl-utf8", &|t| {
        t.replace(
            "{ name = \"商品名\", value = \"{{ row.title }}\", bytes = 200,",
            "{ name = \"商品名\", value = \"{{ row.title }}\", bytes = 5, formula = \"apostrophe\",",
        )
    });
    let prepare = |title: &str| site.operations().prepare(&call(title, "", "A-1"));
    assert!(text(&prepare("=A+1").unwrap()).contains(",'=A+1,"));
    assert!(
        prepare("=A+12")
            .unwrap_err()
            .message
            .contains("has 6 bytes, the layout allows 5")
    );
    assert!(prepare("A+123").is_ok());
}
