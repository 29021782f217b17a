//! A warehouse whose files are made by people and spreadsheets: reordered, repeated, cut, merged, with rows that nobody can
//! read and rows that are put right in a later file. What it says in the end is what it would have said at once.

/// What is done to the next file of a warehouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clumsy {
    /// Its rows stand in another order.
    Reordered,
    /// It repeats all rows of the files before it.
    Cumulative,
    /// Each row is a file of its own.
    Split,
    /// It is held back, and its rows come with the next file.
    Merged,
    /// Among its rows are separators, a row with a NUL, a reference that a stray quote has swallowed, and a shipment of somebody else.
    Hostile,
    /// A row has a year of two digits; the right row comes later.
    Damaged,
    /// A row's number comes later.
    Numberless,
    /// The last line has no end.
    NoEnd,
    /// Its name is in capitals.
    Capitals,
    /// A count stands twice, and one is of next year.
    Contradicting,
}

impl Clumsy {
    /// All of them.
    pub(super) const ALL: [Self; 10] = [
        Self::Reordered,
        Self::Cumulative,
        Self::Split,
        Self::Merged,
        Self::Hostile,
        Self::Damaged,
        Self::Numberless,
        Self::NoEnd,
        Self::Capitals,
        Self::Contradicting,
    ];

    /// It makes sense for a file of this name.
    fn fits(self, name: &str) -> bool {
        let (result, stock) = (name.starts_with("jisseki"), name.starts_with("zaiko"));
        match self {
            Self::Cumulative | Self::Merged | Self::Damaged | Self::Numberless | Self::Split => {
                result
            }
            Self::Contradicting => stock,
            Self::Reordered | Self::Hostile | Self::NoEnd | Self::Capitals => true,
        }
    }
}

/// A row that came damaged: as it was written, and as it is right.
#[derive(Clone, Debug)]
pub(super) struct Damage {
    pub(super) file: String,
    pub(super) row: Vec<u8>,
}

/// What a clumsy warehouse remembers.
#[derive(Debug, Default)]
pub(super) struct Desk {
    next: Option<Clumsy>,
    /// Rows of result files so far.
    told: Vec<Vec<u8>>,
    /// Rows that come with the next result file.
    held: Vec<Vec<u8>>,
    /// Rows that nobody has put right yet.
    pub(super) damaged: Vec<Damage>,
    /// The heading and the last row of result files.
    form: Option<(Vec<u8>, Vec<u8>)>,
}

impl Desk {
    /// The next file that it fits comes so.
    pub(super) fn be(&mut self, clumsy: Clumsy) {
        self.next = Some(clumsy);
    }

    /// Files as they are written in place of one.
    pub(super) fn write(&mut self, name: &str, bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
        let clumsy = self.next.filter(|clumsy| clumsy.fits(name));
        if clumsy.is_some() {
            self.next = None;
        }
        let mut table = Table::of(bytes);
        let result = name.starts_with("jisseki");
        if result {
            self.form = Some((table.head.clone(), table.end.clone()));
            let own = table.rows.clone();
            if clumsy == Some(Clumsy::Merged) {
                self.held.retain(|row| !own.contains(row));
                self.held.extend(own);
                return Vec::new();
            }
            // What was put right stands before what is new.
            let mut held = std::mem::take(&mut self.held);
            // A file that was written again after a lost reply is held back once.
            held.retain(|row| !table.rows.contains(row));
            table.rows.splice(0..0, held);
            self.damaged.clear();
            if clumsy == Some(Clumsy::Cumulative) {
                // What was held back stands there already; twice the same row would be another fault.
                let rows = &table.rows;
                let before = self.told.iter().filter(|row| !rows.contains(row));
                let before: Vec<Vec<u8>> = before.cloned().collect();
                table.rows.splice(0..0, before);
            }
            self.told.extend(own);
        }
        let name = match clumsy {
            Some(Clumsy::Capitals) => name.to_ascii_uppercase(),
            _ => name.to_owned(),
        };
        match clumsy {
            Some(Clumsy::Reordered) => table.rows.reverse(),
            Some(Clumsy::Hostile) => table.hostile(),
            Some(Clumsy::Damaged) => self.damage(&name, &mut table),
            Some(Clumsy::Numberless) => self.forget_number(&mut table),
            Some(Clumsy::Contradicting) => table.contradict(),
            Some(Clumsy::Split) => {
                let one = |(n, row): (usize, &Vec<u8>)| {
                    let file = Table {
                        rows: vec![row.clone()],
                        ..table.clone()
                    };
                    (name.replace(".csv", &format!("-{n}.csv")), file.bytes())
                };
                return table.rows.iter().enumerate().map(one).collect();
            }
            _ => {}
        }
        let mut bytes = table.bytes();
        if clumsy == Some(Clumsy::NoEnd) {
            while bytes.last().is_some_and(|b| matches!(b, b'\r' | b'\n')) {
                bytes.pop();
            }
        }
        vec![(name, bytes)]
    }

    /// What is still held back, as a last file.
    pub(super) fn finish(&mut self) -> Option<(String, Vec<u8>)> {
        self.next = None;
        if self.held.is_empty() {
            return None;
        }
        self.damaged.clear();
        let (head, end) = self.form.clone()?;
        let rows = std::mem::take(&mut self.held);
        let bytes = Table { head, rows, end }.bytes();
        Some(("jisseki-999999.csv".to_owned(), bytes))
    }

    fn damage(&mut self, file: &str, table: &mut Table) {
        let Some(row) = table.rows.first_mut() else {
            return;
        };
        let text = String::from_utf8_lossy(row).into_owned();
        let Some(at) = text.rfind(",20") else {
            return;
        };
        self.held.push(row.clone());
        *row = format!("{},{}", &text[..at], &text[at + 3..]).into_bytes();
        self.damaged.push(Damage {
            file: file.to_owned(),
            row: row.clone(),
        });
    }

    fn forget_number(&mut self, table: &mut Table) {
        let Some(row) = table.rows.first_mut() else {
            return;
        };
        let text = String::from_utf8_lossy(row).into_owned();
        let mut cells: Vec<&str> = text.split(',').collect();
        if let Some(at) = cells.len().checked_sub(2) {
            self.held.push(row.clone());
            cells[at] = "";
            *row = cells.join(",").into_bytes();
        }
    }
}

/// A file by its lines, each with its end.
#[derive(Clone, Debug)]
struct Table {
    head: Vec<u8>,
    rows: Vec<Vec<u8>>,
    /// The trailer, where there is one.
    end: Vec<u8>,
}

impl Table {
    fn of(bytes: &[u8]) -> Self {
        let mut lines: Vec<Vec<u8>> = bytes
            .split_inclusive(|b| *b == b'\n')
            .map(<[u8]>::to_vec)
            .collect();
        let end = match lines.last() {
            Some(last) if last.starts_with(b"END") => lines.pop().unwrap_or_default(),
            _ => Vec::new(),
        };
        let head = if lines.is_empty() {
            Vec::new()
        } else {
            lines.remove(0)
        };
        Self {
            head,
            rows: lines,
            end,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let rows = self.rows.concat();
        [self.head.as_slice(), &rows, &self.end].concat()
    }

    fn hostile(&mut self) {
        let Some(sample) = self.rows.first() else {
            return;
        };
        let cells = sample.iter().filter(|b| **b == b',').count();
        let row = |first: &str| format!("{first}{}\r\n", ",".repeat(cells)).into_bytes();
        let quote = format!("\"{}\"", "HK,1\n".repeat(700));
        self.rows.insert(0, row(""));
        self.rows.push(row("HK\0NUL"));
        self.rows.push(row(&quote));
        self.rows.push(row("HKSOMEBODYELSE-S1"));
        self.rows.push(row(""));
    }

    fn contradict(&mut self) {
        let Some(row) = self.rows.first().cloned() else {
            return;
        };
        let text = String::from_utf8_lossy(&row).into_owned();
        let mut cells: Vec<String> = text.split(',').map(str::to_owned).collect();
        if cells.len() > 2 {
            cells[2] = "987".to_owned();
            self.rows.push(cells.join(",").into_bytes());
        }
        let ahead = text.replacen(",2026/", ",2027/", 1);
        if ahead != text {
            self.rows.push(ahead.into_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"ref,line,code,qty,carrier,number,at\r\nA,1,T,1,y,41,2026/11/20 10:00:00\r\nB,1,T,1,y,42,2026/11/20 11:00:00\r\n";

    const EARLIER: &[u8] =
        b"ref,line,code,qty,carrier,number,at\r\nC,1,T,1,y,40,2026/11/20 09:00:00\r\n";

    fn written(desk: &mut Desk, clumsy: Clumsy) -> Vec<String> {
        desk.be(clumsy);
        let files = desk.write("jisseki-1.csv", FILE);
        files
            .into_iter()
            .map(|(_, bytes)| String::from_utf8(bytes).unwrap())
            .collect()
    }

    #[test]
    fn a_file_without_mischief_is_written_as_it_is() {
        let files = Desk::default().write("jisseki-1.csv", FILE);
        assert_eq!(files, [("jisseki-1.csv".to_owned(), FILE.to_vec())]);
    }

    #[test]
    fn what_is_damaged_or_held_back_comes_right_in_the_end() {
        for clumsy in [Clumsy::Damaged, Clumsy::Numberless, Clumsy::Merged] {
            let mut desk = Desk::default();
            let first = written(&mut desk, clumsy).concat();
            assert!(
                !first.contains("A,1,T,1,y,41,2026/11/20"),
                "{clumsy:?}: {first}"
            );
            let (_, last) = desk.finish().unwrap();
            let last = String::from_utf8(last).unwrap();
            assert!(
                last.starts_with("ref,") && last.contains("A,1,T,1,y,41,2026/11/20"),
                "{clumsy:?}: {last}"
            );
            assert!(desk.finish().is_none());
        }
    }

    #[test]
    fn each_mischief_alters_the_file() {
        for clumsy in Clumsy::ALL.into_iter().filter(|c| c.fits("jisseki-1.csv")) {
            let mut desk = Desk::default();
            desk.write("jisseki-0.csv", EARLIER);
            desk.be(clumsy);
            let files = desk.write("jisseki-1.csv", FILE);
            assert_ne!(
                files,
                [("jisseki-1.csv".to_owned(), FILE.to_vec())],
                "{clumsy:?}"
            );
        }
    }
}
