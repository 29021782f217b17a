//! Cells that a spreadsheet would work out when it opens the file.

use serde::{Deserialize, Serialize};

/// What happens to a cell that a spreadsheet would work out: one that begins with `=`, `+`, `-`, `@`, a tab or a
/// carriage return. A number (`-5`, `+1,000.50`) and a telephone number (`+81-3-1234-5678`) are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Formula {
    /// It is written as it is.
    Keep,
    /// The call is refused with the field named.
    Refuse,
    /// It gets an apostrophe before it, which a spreadsheet takes for the mark of a text.
    Apostrophe,
}

/// What [`Formula::Apostrophe`] writes.
pub(crate) const MARK: char = '\'';

/// Whether a spreadsheet would work a cell out.
///
/// After a sign, digits alone and what people write between them (blanks, hyphens, brackets, points, commas) are a
/// number, and so is the sign alone: they name no cell and call nothing.
pub(crate) fn is_formula(cell: &str) -> bool {
    match cell.chars().next() {
        Some('=' | '@' | '\t' | '\r') => true,
        Some('+' | '-') => {
            let rest = &cell[1..];
            let digit = |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c);
            let number = rest.starts_with(|c| digit(c) || c == '(')
                && rest.chars().all(|c| digit(c) || " -().,".contains(c))
                && rest.contains(digit);
            !(number || rest.is_empty())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_formula;

    #[test]
    fn what_a_spreadsheet_would_work_out() {
        for cell in [
            "=1+1",
            "=cmd|' /C calc'!A0",
            "=HYPERLINK(\"http://x\")",
            "+A1",
            "+cmd|x",
            "-A1",
            "-2+3+cmd|x",
            "-5+3",
            "- 5",
            "--",
            "+-5",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "=",
            "@",
            "-1e5",
            "+81-3*2",
        ] {
            assert!(is_formula(cell), "{cell:?}");
        }
    }

    #[test]
    fn numbers_telephone_numbers_and_words_are_none() {
        for cell in [
            "",
            "-",
            "+",
            "-5",
            "-5.00",
            "+1,000.50",
            "-1,000",
            "+81-3-1234-5678",
            "+81 (0)3 1234 5678",
            "+1 (555) 010-9999",
            "+(81)312345678",
            "+８１-3",
            "A=1",
            "ABC-1",
            "'=1",
            " =1",
            "＝1",
            "東京都千代田区1-2-3",
        ] {
            assert!(!is_formula(cell), "{cell:?}");
        }
    }
}
