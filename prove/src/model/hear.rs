//! What channels and warehouses say is heard: in time, late, once more, all at once.

use chrono::Duration;
use hikiate::facts::{FactBody, OrderFact};
use hikiate::plan::plan_order;
use hikiate::store::Judgement;

use super::check;
use super::rng::Rng;
use super::setting::PLACES;
use super::store::{Order, Said};
use super::violation::{Violation, ensure};
use super::world::World;
use crate::fault;

impl World {
    /// An order as its channel shows it now.
    pub(super) fn reading(&self, at: usize) -> Said {
        let order = &self.orders[at];
        let version = self.setting.versions.then_some(order.version);
        let mut shown = order.truth.clone();
        shown.version = version.and_then(|version| u64::try_from(version).ok());
        Said {
            order: at,
            body: FactBody::Order(Box::new(OrderFact {
                order: shown,
                features: check::features(),
                personal_version: order.address,
            })),
            series: String::new(),
            version,
            asked: self.now,
        }
    }

    /// Reads an order now.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn read(&mut self, at: usize) -> Result<(), Violation> {
        if self.orders[at].gone {
            let now = self.now;
            let order = &mut self.orders[at];
            order.reread = false;
            order.input.read_at = order.input.read_at.filter(|due| *due > now);
            return order.miss(&mut self.next, now);
        }
        let said = self.reading(at);
        self.orders[at].reread = false;
        let read_at = &mut self.orders[at].input.read_at;
        *read_at = read_at.filter(|at| *at > said.asked);
        self.hear(&said).map(drop)
    }

    fn hear(&mut self, said: &Said) -> Result<Judgement, Violation> {
        let order = &mut self.orders[said.order];
        let judgement = order.hear(&mut self.next, said, self.now)?;
        if judgement == Judgement::New && said.series.is_empty() {
            self.heard.push(said.clone());
        }
        check::newest(order)?;
        Ok(judgement)
    }

    /// All that a warehouse shows is heard.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn hear_place(&mut self, place: usize) -> Result<(), Violation> {
        let mut page = std::mem::take(&mut self.posts[place]);
        for said in &mut page {
            said.asked = self.now;
            self.hear(said)?;
        }
        self.pages[place] = page;
        Ok(())
    }

    /// Everything that is on its way is heard.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn hear_all(&mut self) -> Result<(), Violation> {
        for said in std::mem::take(&mut self.late) {
            self.hear(&said)?;
        }
        for place in 0..PLACES.len() {
            self.hear_place(place)?;
        }
        Ok(())
    }

    /// A late answer comes, and a stalled process sends its note.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn deliver(&mut self, which: u8) -> Result<(), Violation> {
        if let Some(at) = usize::from(which).checked_rem(self.late.len()) {
            let said = self.late.remove(at);
            self.hear(&said)?;
        }
        self.send_stalled(usize::from(which))
    }

    /// An old answer again, or the last page of a warehouse: nothing may come of it.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn repeat(&mut self, which: u8) -> Result<(), Violation> {
        let at = if which < 4 {
            let page = self.pages[usize::from(which) % PLACES.len()].clone();
            for said in &page {
                let again = Said {
                    asked: self.now,
                    ..said.clone()
                };
                let judgement = self.hear(&again)?;
                ensure(judgement == Judgement::Same, || {
                    "a repeated page is new input".to_owned()
                })?;
            }
            return Ok(());
        } else {
            usize::from(which).checked_rem(self.heard.len())
        };
        let Some(said) = at.and_then(|at| self.heard.get(at)).cloned() else {
            return Ok(());
        };
        let dirty = self.orders[said.order].dirty;
        self.hear(&said)?;
        ensure(self.orders[said.order].dirty == dirty, || {
            "an answer that was already recorded is new input".to_owned()
        })
    }

    /// All that is on its way about an order comes at once, in two orders: both end the same.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn burst(&mut self, at: usize, shuffle: u32) -> Result<(), Violation> {
        if self.orders[at].gone {
            return self.read(at);
        }
        let mut said: Vec<Said> = Vec::new();
        self.late.retain(|late| {
            if late.order == at {
                said.push(late.clone());
            }
            late.order != at
        });
        for place in 0..PLACES.len() {
            self.pages[place].clear();
            for mut post in std::mem::take(&mut self.posts[place]) {
                post.asked = self.now;
                if post.order == at {
                    said.push(post);
                } else {
                    self.hear(&post)?;
                }
            }
        }
        self.now += Duration::seconds(1);
        said.push(self.reading(at));
        let mut other = self.orders[at].clone();
        let mut next = self.next;
        for one in &said {
            self.hear(one)?;
        }
        Rng::new(u64::from(shuffle)).shuffle(&mut said);
        if self.setting.people {
            // What was fulfilled and undone in between is known only by readings in their order.
            readings_in_order(&mut said);
        } else if !self.setting.versions {
            // Without versions the last reading decides, so it stays the last.
            said.sort_by_key(|one| one.series.is_empty());
            said.retain(|one| !one.series.is_empty() || one.asked == self.now);
        }
        for one in &said {
            other.hear(&mut next, one, self.now)?;
        }
        let order = &mut self.orders[at];
        order.reread = false;
        let policy = &self.setting.policy;
        let planned = |order: &Order| {
            plan_order(
                &fault::read(&order.input),
                policy,
                &self.setting.rules,
                self.now,
            )
            .map(|plan| fault::altered(&order.input, plan))
            .map_err(|error| Violation::new(error.to_string()))
        };
        check::same_end(&planned(order)?, &planned(&other)?)
    }
}

/// Puts the readings of the order back into the order in which they were asked, each into a place of one.
fn readings_in_order(said: &mut [Said]) {
    let places: Vec<usize> = (0..said.len())
        .filter(|at| said[*at].series.is_empty())
        .collect();
    let mut readings: Vec<Said> = places.iter().map(|at| said[*at].clone()).collect();
    readings.sort_by_key(|one| one.asked);
    for (at, reading) in places.into_iter().zip(readings) {
        said[at] = reading;
    }
}
