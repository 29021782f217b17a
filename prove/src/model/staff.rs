//! Staff at the channel: what they do to an order there, by hand, whenever they like.

use hikiate_sdk::{ChannelFulfilment, ChannelState, LineKey};

use super::command::{Deed, Where};
use super::money;
use super::rng::Rng;
use super::seen::code;
use super::setting::PLACES;
use super::shape;
use super::violation::Violation;
use super::world::World;

impl World {
    /// Staff act. What the channel itself does not allow does not happen.
    ///
    /// # Errors
    /// A violation.
    pub(super) fn staff(
        &mut self,
        at: usize,
        deed: Deed,
        which: u8,
        units: u8,
    ) -> Result<(), Violation> {
        // What nobody was told of has no number.
        let told = |of: usize| self.far.told.values().any(|told| told.order == of);
        let told = (0..self.orders.len()).find(|of| deed == Deed::Copy && !told(at) && told(*of));
        let at = told.unwrap_or(at);
        if self.orders[at].gone {
            if deed == Deed::ComeBack {
                self.orders[at].gone = false;
                return self.changed(at);
            }
            return Ok(());
        }
        let before = self.orders[at].truth.clone();
        let total = before.total;
        match deed {
            Deed::Pack => self.fulfil_by_hand(at, None, which, units),
            Deed::Ship(place) => self.fulfil_by_hand(at, Some(place), which, units),
            Deed::Copy => self.copy_parcel(at, which),
            Deed::ShipPacked | Deed::CancelFulfilment | Deed::Renumber { .. } => {
                self.change_fulfilment(at, deed, which);
            }
            Deed::Complete | Deed::Reopen => {
                let truth = &mut self.orders[at].truth;
                if !matches!(truth.state, ChannelState::Cancelled { .. }) {
                    truth.state = if deed == Deed::Complete {
                        ChannelState::Completed
                    } else {
                        ChannelState::Open
                    };
                }
            }
            Deed::RemoveLine => shape::remove_line(&mut self.orders[at].truth, usize::from(which)),
            Deed::AddLine => {
                let units = 1 + u32::from(units);
                self.next += 1;
                shape::add_line(&mut self.orders[at].truth, self.next, which, units);
            }
            Deed::Move => self.orders[at].address += 1,
            Deed::Service => {
                if let Some(group) = self.orders[at].truth.groups.first_mut() {
                    group.service = Some(format!("service {which}"));
                }
            }
            Deed::Vanish => self.orders[at].gone = true,
            Deed::ComeBack => return Ok(()),
            Deed::Refund { percent, provider } => self.give_back(at, percent, provider),
            Deed::Void => money::void(&mut self.orders[at].truth),
        }
        let order = &mut self.orders[at];
        let money = matches!(deed, Deed::Refund { .. } | Deed::Void);
        order.shrunk |= !money && order.truth.total < total;
        if order.truth == before && !matches!(deed, Deed::Move | Deed::Vanish) {
            return Ok(());
        }
        self.changed(at)
    }

    /// Units of a line that stand in no fulfilment at the channel.
    fn unfulfilled(&self, at: usize, line: &LineKey) -> u32 {
        let truth = &self.orders[at].truth;
        let sold = truth.lines.iter().find(|known| known.key == *line);
        let told = truth
            .fulfilments
            .iter()
            .filter(|fulfilment| !fulfilment.cancelled())
            .flat_map(|fulfilment| &fulfilment.lines)
            .filter(|(key, _)| key == line)
            .map(|(_, units)| units)
            .sum();
        sold.map_or(0, |line| line.quantity).saturating_sub(told)
    }

    fn number(&mut self) -> String {
        self.next += 1;
        format!("BYHAND{}", self.next)
    }

    /// A fulfilment by staff: of one line, or of all that is left when no units are said.
    fn fulfil_by_hand(&mut self, at: usize, place: Option<Where>, which: u8, units: u8) {
        if self.orders[at].truth.state != ChannelState::Open {
            return;
        }
        let truth = &self.orders[at].truth;
        let all: Vec<LineKey> = truth.lines.iter().map(|line| line.key.clone()).collect();
        let mut lines = Vec::new();
        for (n, line) in all.iter().enumerate() {
            let rest = self.unfulfilled(at, line);
            let wanted = match units {
                0 => rest,
                _ if n == usize::from(which) % all.len() => rest.min(u32::from(units)),
                _ => 0,
            };
            if wanted > 0 {
                lines.push((line.clone(), wanted));
            }
        }
        if lines.is_empty() {
            return;
        }
        let named = place.filter(|_| which % 4 != 3);
        let tracking = named.map(|_| self.number()).into_iter().collect();
        let location = match place {
            None | Some(Where::Unnamed) => None,
            Some(Where::Ours) => Some(format!("loc-{}", PLACES[usize::from(which) % 2].0)),
            Some(Where::Elsewhere) => Some("loc-elsewhere".to_owned()),
        };
        let shipped_at = place.map(|_| self.now);
        self.add(at, lines, shipped_at.is_some(), location, tracking);
    }

    fn add(
        &mut self,
        at: usize,
        lines: Vec<(LineKey, u32)>,
        shipped: bool,
        location: Option<String>,
        tracking: Vec<String>,
    ) {
        let shipped_at = shipped.then_some(self.now);
        let truth = &mut self.orders[at].truth;
        truth.fulfilments.push(ChannelFulfilment {
            key: format!("ful_{}", truth.fulfilments.len() + 1).into(),
            reference: None,
            shipped_at,
            cancelled_at: None,
            location,
            tracking,
            lines,
        });
    }

    /// Parcels of an order that have really left: name, and units of each line of the channel.
    fn parcels_of(&self, at: usize) -> Vec<(String, Vec<(LineKey, u32)>)> {
        let mut parcels = Vec::new();
        for told in self.far.told.values().filter(|told| told.order == at) {
            for (name, (items, _)) in &told.parcels {
                let mut lines: Vec<(LineKey, u32)> = Vec::new();
                for row in &told.fact.lines {
                    let truth = &self.orders[at].truth;
                    let line = truth.lines.iter().find(|line| line.key == row.line);
                    let (multiplier, _) = code(line.and_then(|line| line.sku.as_deref()));
                    let units = items.get(&row.n).copied().unwrap_or(0) / multiplier;
                    if units > 0 {
                        lines.push((row.line.clone(), units));
                    }
                }
                parcels.push((name.clone(), lines));
            }
        }
        parcels
    }

    /// The warehouse told staff the number, and they were faster than we.
    fn copy_parcel(&mut self, at: usize, which: u8) {
        if self.parcels_of(at).is_empty() {
            let told = self.far.told.iter().filter(|(_, told)| told.order == at);
            let told: Vec<(String, usize)> = told
                .map(|(reference, told)| (reference.clone(), told.fact.lines.len()))
                .collect();
            for (reference, lines) in told {
                for line in 0..lines {
                    self.leave(&reference, "COPY", u8::try_from(line).unwrap_or(0), 0);
                }
            }
        }
        let mut parcels = self.parcels_of(at);
        let Some(n) = usize::from(which).checked_rem(parcels.len()) else {
            return;
        };
        let (name, mut lines) = parcels.swap_remove(n);
        for (line, units) in &mut lines {
            *units = (*units).min(self.unfulfilled(at, line));
        }
        lines.retain(|(_, units)| *units > 0);
        let truth = &self.orders[at].truth;
        let cancelled = matches!(truth.state, ChannelState::Cancelled { .. });
        let mut shown = truth.fulfilments.iter().filter(|f| !f.cancelled());
        let known = shown.any(|shown| shown.tracking.contains(&name));
        if lines.is_empty() || cancelled || known {
            return;
        }
        // People put blanks into numbers, and choose a place where the shop asks for one.
        let typed = name.replacen('-', " - ", 1);
        let place = which
            .is_multiple_of(2)
            .then(|| format!("loc-{}", PLACES[usize::from(which) % 4 / 2].0));
        self.add(at, lines, true, place, vec![typed]);
    }

    fn change_fulfilment(&mut self, at: usize, deed: Deed, which: u8) {
        let fulfilments = &self.orders[at].truth.fulfilments;
        let wanted: Vec<usize> = (0..fulfilments.len())
            .filter(|n| {
                let fulfilment = &fulfilments[*n];
                let shipped = fulfilment.shipped();
                !fulfilment.cancelled()
                    && match deed {
                        Deed::ShipPacked => !shipped && fulfilment.reference.is_none(),
                        Deed::Renumber { .. } => shipped,
                        _ => true,
                    }
            })
            .collect();
        let Some(n) = usize::from(which).checked_rem(wanted.len()) else {
            return;
        };
        let n = wanted[n];
        let number = match deed {
            Deed::Renumber { ours: true } => {
                let mut parcels = self.parcels_of(at);
                match usize::from(which).checked_rem(parcels.len()) {
                    Some(n) => Some(parcels.swap_remove(n).0),
                    None => return,
                }
            }
            Deed::CancelFulfilment => None,
            _ => Some(self.number()),
        };
        let now = self.now;
        let order = &mut self.orders[at];
        let fulfilment = &mut order.truth.fulfilments[n];
        match number {
            None => {
                fulfilment.cancelled_at = Some(now);
                order.undone = true;
                order.shrunk = true;
            }
            Some(number) => {
                fulfilment.shipped_at.get_or_insert(now);
                // A number of ours takes units back that counted as shipped by others.
                order.shrunk |= matches!(deed, Deed::Renumber { ours: true });
                fulfilment.tracking = vec![number];
            }
        }
    }

    /// Before everything comes to rest, staff finish what they began.
    pub(super) fn staff_finish(&mut self, at: usize) {
        let order = &self.orders[at];
        if order.gone && Rng::new(order.version.unsigned_abs()).chance(60) {
            self.orders[at].gone = false;
            self.orders[at].version += 1;
        }
        let packed = |fulfilment: &&ChannelFulfilment| {
            fulfilment.reference.is_none() && !fulfilment.shipped() && !fulfilment.cancelled()
        };
        let packed = self.orders[at].truth.fulfilments.iter().filter(packed);
        for _ in 0..packed.count() {
            self.change_fulfilment(at, Deed::ShipPacked, 0);
            self.orders[at].version += 1;
        }
    }
}
