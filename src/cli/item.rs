//! `hikiate item unmapped`: the codes that orders wait for, and a file to fill in.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::args::ItemCommand;
use super::failure::Failure;
use super::session::Session;
use crate::config::{MAPPING_HEADING, mapping_cell};
use crate::store::UnmappedCode;

/// With same codes there is no file to complete, and one with these rows alone would take all others' meaning away.
const SAME_CODE: &str = "there is no mapping file to complete: [catalogue] has mapping = \"same-code\". With a file of only these rows no other code would be \
    an item any more, and all their counts would be lost. Give the item the warehouse's code at the channel, or have a warehouse report it under \
    that code; to change to mapping = \"listed\", list every code of every channel and warehouse first";

/// Lists codes, or writes them as rows of a mapping file.
pub(crate) async fn run(session: &Session, command: ItemCommand) -> Result<(), Failure> {
    let ItemCommand::Unmapped { csv } = command;
    let (out, codes) = (session.out, session.store.unmapped_codes().await?);
    let Some(path) = csv else {
        let columns = ["CHANNEL", "CODE", "ORDERS", "LIKE ITEM"];
        return out.list(&codes, &columns, "no order waits for a code", |code| {
            vec![
                code.channel.clone(),
                code.code.clone(),
                code.orders.to_string(),
                code.near.clone().unwrap_or_default(),
            ]
        });
    };
    let Some(mapping) = &session.loaded.mapping_file else {
        return Err(Failure::Refused(SAME_CODE.to_owned()));
    };
    write(&path, &text(&heading(mapping), &codes))?;
    let (file, n) = (path.display().to_string(), codes.len());
    let mapping = mapping.display().to_string();
    out.one(&json!({ "file": file, "codes": n, "mapping": mapping }), || {
        format!(
            "wrote {n} codes to {file}: fill in the column item (`hikiate item unmapped` shows the most similar item), append the rows without the header to {mapping}, and restart\n"
        )
    })
}

/// A file that is there stays as it is: it may be half filled in.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::Refused(format!(
                "{} already exists and was not changed: name another file",
                path.display()
            )))
        }
        Err(error) => Err(anyhow::Error::new(error)
            .context(path.display().to_string())
            .into()),
    }
}

/// The heading of the mapping file that is to be completed; of one that cannot be read, the least that it needs.
fn heading(file: &Path) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let first = text.trim_start_matches('\u{feff}').lines().next();
    let first = first.map(str::trim).unwrap_or_default();
    match first.strip_prefix(MAPPING_HEADING) {
        Some(more) if more.is_empty() || more.starts_with(',') => first.to_owned(),
        _ => MAPPING_HEADING.to_owned(),
    }
}

/// Rows with the columns of that file. What helps to fill them in goes where it has a column for it.
fn text(heading: &str, codes: &[UnmappedCode]) -> String {
    let mut text = format!("{heading}\n");
    let more: Vec<&str> = heading.split(',').skip(4).map(str::trim).collect();
    for code in codes {
        let orders = code.orders.to_string();
        let mut cells = ["", &code.channel, &code.code, "1"].map(cell).to_vec();
        cells.extend(more.iter().map(|column| match *column {
            "like" => cell(code.near.as_deref().unwrap_or_default()),
            "orders" => orders.clone(),
            _ => String::new(),
        }));
        text.push_str(&format!("{}\n", cells.join(",")));
    }
    text
}

fn cell(text: &str) -> String {
    // The file is read line by line, and a spreadsheet is not to work out what a shop calls an item.
    let text = mapping_cell(&text.replace(char::is_control, " "));
    if text.contains([',', '"']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn rows_fit_the_mapping_file_and_no_file_is_written_over() {
        let code = |code: &str, near: Option<&str>| UnmappedCode {
            channel: "shop".to_owned(),
            code: code.to_owned(),
            orders: 12,
            near: near.map(str::to_owned),
        };
        let rows = [code("APLE", Some("APPLE")), code("りんご, \"箱\"", None)];
        let written = text(MAPPING_HEADING, &rows);
        assert_eq!(
            written,
            "item,account,code,multiplier\n,shop,APLE,1\n,shop,\"りんご, \"\"箱\"\"\",1\n"
        );
        let wide = format!("{MAPPING_HEADING},memo,like,orders");
        assert_eq!(
            text(&wide, &rows[..1]),
            format!("{wide}\n,shop,APLE,1,,APPLE,12\n"),
            "a row fits into a file that has more columns"
        );
        let formula = text(MAPPING_HEADING, &[code("=1+1", None), code("-5,@", None)]);
        assert!(
            formula.ends_with(",shop,'=1+1,1\n,shop,\"'-5,@\",1\n"),
            "{formula}"
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("codes.csv");
        write(&path, &written).unwrap();
        assert!(matches!(write(&path, "x"), Err(Failure::Refused(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
        assert_eq!(heading(&path), MAPPING_HEADING);
        assert_eq!(heading(&dir.path().join("none.csv")), MAPPING_HEADING);
    }
}
