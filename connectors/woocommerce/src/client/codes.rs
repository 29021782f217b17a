//! Which products have a stock code: the shop keeps SKUs apart, plug-ins and imports do not.

use std::collections::{BTreeSet, HashMap};

type Owners = HashMap<String, BTreeSet<u64>>;

/// The ids by SKU of this sweep over the products and of the one before. A sweep is many pages, so what shows only at its end is
/// known from the beginning of the next.
#[derive(Default)]
pub(super) struct Codes {
    sweep: u64,
    now: Owners,
    before: Owners,
}

impl Codes {
    /// A page of this sweep was read: its first one, or any, and maybe once more, because it could not be stored.
    pub(super) fn begin(&mut self, sweep: u64) {
        if self.sweep != sweep {
            self.sweep = sweep;
            self.before = std::mem::take(&mut self.now);
        }
    }

    pub(super) fn saw(&mut self, code: &str, id: u64) {
        self.now.entry(code.to_owned()).or_default().insert(id);
    }

    /// The others with this code.
    pub(super) fn others(&self, code: &str, id: u64) -> BTreeSet<u64> {
        let known = [&self.now, &self.before];
        let ids = known.into_iter().filter_map(|of| of.get(code)).flatten();
        ids.copied().filter(|other| *other != id).collect()
    }
}
