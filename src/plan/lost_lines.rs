//! Which lines of an order the shipments of a lost window were for: all that was sent must fit what is still to
//! leave, or else what others have shipped since, or else an operator's word; each row one line, or nothing is said.

use hikiate_sdk::GroupKey;

use super::lost::warehouse_of;
use super::types::{UnrecordedLine, UnrecordedShipment};
use super::view::{Line, View};
use crate::facts::ShipmentLine;

/// Tries before it is given up: orders whose lines are all of one item could go on for ever.
const TRIES: usize = 10_000;

/// The rows of all shipments with the order's line of each, in the order of both.
struct Search<'s, 'v> {
    rows: Vec<(usize, &'s UnrecordedLine)>,
    view: &'s View<'v>,
    /// Items of each line that no row has yet.
    free: Vec<u32>,
    /// The line of each row so far.
    taken: Vec<usize>,
    tries: usize,
}

/// The group and the lines of each shipment. `None` unless all of them fit.
pub(super) fn fit(
    view: &View<'_>,
    sent: &[&UnrecordedShipment],
) -> Option<Vec<(GroupKey, Vec<ShipmentLine>)>> {
    // The demand of a line that was just read is stored with this plan.
    let wanted = view.lines.iter().filter(|line| line.item_id.is_some());
    if wanted.clone().any(|line| line.state.is_none()) {
        return None;
    }
    let mut rows = Vec::new();
    for (at, one) in sent.iter().enumerate() {
        let lines = one.lines.as_deref().filter(|lines| !lines.is_empty())?;
        let numbers: Vec<u32> = lines.iter().map(|line| line.n).collect();
        let twice = sent
            .iter()
            .skip(at + 1)
            .any(|o| o.reference == one.reference);
        let strange = (1..).zip(&numbers).any(|(n, is)| n != *is);
        if twice || strange || lines.iter().any(|line| line.quantity == 0) {
            return None;
        }
        warehouse_of(view, &one.account)?;
        rows.extend(lines.iter().map(|line| (at, line)));
    }
    let told = sent.iter().all(|one| one.told);
    let mut room = vec![still_to_leave as fn(&Line<'_>) -> u32, not_ours];
    room.extend(told.then_some(as_told as fn(&Line<'_>) -> u32));
    room.into_iter().find_map(|room| {
        let mut search = Search {
            rows: rows.clone(),
            view,
            free: view.lines.iter().map(room).collect(),
            taken: Vec::new(),
            tries: 0,
        };
        search.next().then(|| search.shipments(sent.len()))?
    })
}

fn still_to_leave(line: &Line<'_>) -> u32 {
    line.open(false).saturating_sub(line.instructed)
}

/// What others shipped of it may have been sent to a warehouse before they did.
pub(super) fn not_ours(line: &Line<'_>) -> u32 {
    let ours = line.shipped.saturating_sub(line.by_others);
    line.ordered
        .saturating_sub(ours)
        .saturating_sub(line.instructed)
}

/// An operator has looked: the order may have wanted more then.
fn as_told(_: &Line<'_>) -> u32 {
    u32::MAX
}

impl Search<'_, '_> {
    /// Finds a line for the next row and all that follow.
    fn next(&mut self) -> bool {
        let Some((shipment, row)) = self.rows.get(self.taken.len()).copied() else {
            return true;
        };
        for at in 0..self.view.lines.len() {
            self.tries += 1;
            if self.tries > TRIES {
                return false;
            }
            if !self.may_be(shipment, row, at) {
                continue;
            }
            self.change(at, |free| free.saturating_sub(row.quantity));
            self.taken.push(at);
            if self.next() {
                return true;
            }
            self.taken.pop();
            self.change(at, |free| free.saturating_add(row.quantity));
        }
        false
    }

    fn may_be(&self, shipment: usize, row: &UnrecordedLine, at: usize) -> bool {
        let (Some(line), Some(free)) = (self.view.lines.get(at), self.free.get(at)) else {
            return false;
        };
        let same_item = row.item_id.is_some()
            && line.item_id == row.item_id
            && line
                .state
                .is_some_and(|state| row.item_id == Some(state.item_id));
        // A shipment goes to one address and has each line once.
        let mates = self.rows.iter().zip(&self.taken);
        let mut mates = mates.filter(|((of, _), _)| *of == shipment);
        let with_mates = mates.all(|(_, mate)| {
            *mate != at
                && self
                    .view
                    .lines
                    .get(*mate)
                    .is_some_and(|m| m.group == line.group)
        });
        same_item && *free >= row.quantity && with_mates
    }

    fn change(&mut self, at: usize, by: impl FnOnce(u32) -> u32) {
        if let Some(free) = self.free.get_mut(at) {
            *free = by(*free);
        }
    }

    fn shipments(&self, count: usize) -> Option<Vec<(GroupKey, Vec<ShipmentLine>)>> {
        let mut shipments: Vec<(Option<GroupKey>, Vec<ShipmentLine>)> =
            vec![(None, Vec::new()); count];
        for ((shipment, row), at) in self.rows.iter().zip(&self.taken) {
            let line = self.view.lines.get(*at)?;
            let (group, lines) = shipments.get_mut(*shipment)?;
            *group = Some(line.group.clone());
            lines.push(ShipmentLine {
                n: row.n,
                demand_id: line.state?.id,
                line: line.key.clone(),
                item_id: row.item_id?,
                quantity: row.quantity,
            });
        }
        shipments
            .into_iter()
            .map(|(group, lines)| Some((group?, lines)))
            .collect()
    }
}
