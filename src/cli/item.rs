//! `hikiate item unmapped`: the codes that orders wait for, and a file to fill in.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::args::ItemCommand;
use super::failure::Failure;
use super::session::Session;
use crate::config::MAPPING_HEADING;
use crate::store::UnmappedCode;

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
    write(&path, &text(&codes))?;
    let (file, n) = (path.display().to_string(), codes.len());
    out.one(&json!({ "file": file, "codes": n }), || {
        format!(
            "{n} codes are in {file}: fill in the column item (like says which item's code is most alike), add the rows to the file of [catalogue] (mapping = \"listed\") and restart\n"
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
                "{} is there already and is left as it is: name another file",
                path.display()
            )))
        }
        Err(error) => Err(anyhow::Error::new(error)
            .context(path.display().to_string())
            .into()),
    }
}

/// The columns of the mapping file, and beside them what helps to fill it in; reading it leaves those out.
fn text(codes: &[UnmappedCode]) -> String {
    let mut text = format!("{MAPPING_HEADING},like,orders\n");
    for code in codes {
        let near = code.near.as_deref().unwrap_or_default();
        let cells = ["", &code.channel, &code.code, "1", near].map(cell);
        text.push_str(&format!("{},{}\n", cells.join(","), code.orders));
    }
    text
}

fn cell(text: &str) -> String {
    // The file is read line by line.
    let text = text.replace(char::is_control, " ");
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
    fn the_file_has_the_columns_of_the_mapping_file_and_is_never_written_over() {
        let code = |code: &str, near: Option<&str>| UnmappedCode {
            channel: "shop".to_owned(),
            code: code.to_owned(),
            orders: 12,
            near: near.map(str::to_owned),
        };
        let written = text(&[code("APLE", Some("APPLE")), code("りんご, \"箱\"", None)]);
        assert_eq!(
            written,
            "item,account,code,multiplier,like,orders\n,shop,APLE,1,APPLE,12\n,shop,\"りんご, \"\"箱\"\"\",1,,12\n"
        );
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("codes.csv");
        write(&path, &written).unwrap();
        assert!(matches!(write(&path, "x"), Err(Failure::Refused(_))));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), written);
    }
}
