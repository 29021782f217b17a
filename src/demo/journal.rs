//! The books as they lie in the folder: hledger's text, read without the program that wrote it.

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file it stands in.
    pub file: String,
    /// The code in brackets.
    pub reference: String,
    /// Account and yen; debit positive.
    pub lines: Vec<(String, i64)>,
}

/// Reads a journal file.
///
/// # Errors
/// The first line that is not understood.
pub fn read(file: &str, text: &str) -> Result<Vec<Entry>, String> {
    let mut entries: Vec<Entry> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let wrong = |why: &str| format!("{file}:{}: {why}: {line:?}", at + 1);
        if line.starts_with(|c: char| c.is_ascii_digit()) {
            let code = line
                .split_once('(')
                .and_then(|(_, rest)| rest.split_once(')'));
            let reference = code
                .ok_or_else(|| wrong("an entry without a code"))?
                .0
                .to_owned();
            entries.push(Entry {
                file: file.to_owned(),
                reference,
                lines: Vec::new(),
            });
        } else if let Some(posting) = line.strip_prefix("    ") {
            let posting = posting.split("  ;").next().unwrap_or_default();
            let (account, amount) = posting
                .split_once("  ")
                .ok_or_else(|| wrong("no posting"))?;
            let amount = amount
                .trim()
                .strip_suffix(" JPY")
                .ok_or_else(|| wrong("no amount in yen"))?;
            let amount: i64 = amount
                .parse()
                .map_err(|_| wrong("no whole number of yen"))?;
            let entry = entries
                .last_mut()
                .ok_or_else(|| wrong("a posting before any entry"))?;
            entry.lines.push((account.to_owned(), amount));
        } else if !(line.is_empty()
            || line.starts_with(';')
            || line.starts_with("account ")
            || line.starts_with("commodity "))
        {
            return Err(wrong("neither entry nor posting"));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const TEXT: &str = "; books-journal-20261121-1\naccount Assets:Receivable\ncommodity 1000. JPY\n\n\
        2026-11-21 * (HB0000000000000-1) shop-a card 10.00 %\n    Assets:Receivable  1100 JPY\n    \
        Income:Sales  -1000 JPY  ; rate_bp:1000\n    Liabilities:Consumption tax  -100 JPY  ; rate_bp:1000\n";

    #[test]
    fn entries_and_postings_are_read() {
        let entries = read("x.journal", TEXT).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].reference, "HB0000000000000-1");
        let lines: Vec<(&str, i64)> = entries[0]
            .lines
            .iter()
            .map(|(a, n)| (a.as_str(), *n))
            .collect();
        assert_eq!(
            lines,
            [
                ("Assets:Receivable", 1100),
                ("Income:Sales", -1000),
                ("Liabilities:Consumption tax", -100)
            ]
        );
    }

    #[test]
    fn what_is_not_understood_is_said_with_its_line() {
        let cut = &TEXT[..TEXT.len() - 21];
        assert!(
            read("x", cut)
                .unwrap_err()
                .starts_with("x:8: no amount in yen"),
            "{:?}",
            read("x", cut)
        );
        assert!(read("x", "    A  1 JPY\n").is_err());
        assert!(read("x", "1100\n").is_err());
    }
}
