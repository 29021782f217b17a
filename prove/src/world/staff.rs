//! The shop's staff: what they do by hand to an order, past hikiate, at any moment.

use hikiate_sdk::Party;

use super::orders::{Act, ByStaff, Goods, join};
use super::seen::{Seen, Told};
use super::terms::{ITEMS, OthersFrom, STORE, TOKYO};
use super::world::World;

impl World {
    /// One of the staff does something to an order.
    pub(super) fn staff_acts(&mut self) {
        let Some(at) = self.some_order() else {
            return;
        };
        let (shop, id) = (self.shop_of(at), self.orders[at].id.clone());
        let seen = self.seen(at);
        // A replica that lags: who reads it by its id gets what it was before.
        let lags = self.dice.percent(15);
        let before = shop.shown(&id).filter(|_| lags && !seen.deleted);
        let more = if shop.woo.is_some() { 36 } else { 26 };
        let done = match self.dice.range(0..=more) {
            0..=1 => self.staff_pack(at, &seen).is_some(),
            2..=4 => self.staff_pack(at, &seen).is_some_and(|made| {
                let number = self.some_number();
                self.staff_ship(at, &made, &number, false)
            }),
            5..=6 => self.staff_ship_ours(at, &seen),
            7 => self.staff_ship_packed(at, &seen),
            8 => self.staff_cancel_packed(at, &seen),
            9 => self.staff_undo(at, &seen),
            10 => self.staff_correct(at, &seen),
            11 => self.staff_complete(at, &seen),
            12..=13 => self.staff_edit(at, &seen),
            14 => self.staff_address(at),
            16..=18 => self.staff_refund(at, &seen),
            19..=20 => self.staff_capture(at, &seen),
            21 => self.staff_void(at),
            22 => self.pay_again(at),
            23 => self.staff_date_ahead(at),
            24 => self.shop_repeats_a_page(at),
            25..=26 => self.staff_note(at),
            27.. => self.web_staff_acts(at, &seen),
            _ => self.staff_delete(at, seen.deleted),
        };
        if done {
            self.counts.acts += 1;
        }
        if let Some(before) = before.filter(|_| done) {
            let seconds = i64::try_from(self.dice.range(10..=900)).unwrap();
            shop.show_older(&id, before, seconds);
            self.log
                .say("fault", format!("reads of {id} lag for {seconds} s"));
        }
    }

    /// The shop's paging breaks for a while: whatever is asked for, it shows its first orders.
    fn shop_repeats_a_page(&mut self, at: usize) -> bool {
        let seconds = i64::try_from(self.dice.range(5..=600)).unwrap();
        let shop = self.shop_of(at);
        shop.repeat_first_page(seconds);
        let text = format!("{} shows its first page for {seconds} s", shop.account);
        self.log.say("fault", text);
        true
    }

    /// Writes into the note of a hold, or deletes it: it stays so until the holds change.
    fn staff_note(&mut self, at: usize) -> bool {
        let id = self.orders[at].id.clone();
        let text = self.dice.pick(&[None, Some("called the customer")]);
        let done = self.shop_of(at).edit_note(&id, *text);
        if done {
            let order = &mut self.orders[at];
            order.note_by_staff = true;
            let text = format!("{}: its note is {text:?}", order.number);
            self.log.say("staff", text);
        }
        done
    }

    /// An import, or a clock that is wrong for a moment, dates a change of an order ahead.
    fn staff_date_ahead(&mut self, at: usize) -> bool {
        let hours = i64::try_from(self.dice.range(1..=48)).unwrap();
        let (shop, order) = (self.shop_of(at), &self.orders[at]);
        shop.date_ahead(&order.id, hours * 3_600);
        let text = format!("{}: its change is dated {hours} h ahead", order.number);
        self.log.say("staff", text);
        true
    }

    /// Notes an act and what the order has come to.
    pub(super) fn acted(&mut self, at: usize, act: Act, what: &str) {
        let seen = self.seen(at);
        let order = &mut self.orders[at];
        order.acts.insert(act);
        // A shop that was told that all of it was given back takes it for finished.
        if seen.status == "refunded" {
            order.acts.insert(Act::Completed);
        }
        order.ordered(&seen.lines);
        let text = format!("{}: {what}", order.number);
        self.log.say("staff", text);
    }

    fn some_number(&mut self) -> String {
        format!("BYHAND{}", self.counts.acts + 1)
    }

    /// Packs some of what is open, at a place that they name or not. Returns the fulfilment's id.
    fn staff_pack(&mut self, at: usize, seen: &Seen) -> Option<String> {
        let mut lines = Vec::new();
        for (line, _, ordered, fulfilled) in &seen.lines {
            let open = u64::from(ordered.saturating_sub(*fulfilled));
            if open == 0 || !self.dice.percent(80) {
                continue;
            }
            let all = self.dice.percent(70);
            let n = if all { open } else { self.dice.range(1..=open) };
            lines.push((line.as_str(), u32::try_from(n).unwrap()));
        }
        if lines.is_empty() {
            return None;
        }
        let place = *self.dice.pick(&[Some(TOKYO), Some(STORE), None]);
        let made = self.shop_of(at).pack(&seen.id, &lines, place)?;
        let what = format!("packed {lines:?} as {made} at {place:?}");
        self.acted(at, Act::Fulfilled, &what);
        Some(made)
    }

    /// Marks a fulfilment as shipped: the goods left the place that it names, unless it is a parcel of ours.
    fn staff_ship(&mut self, at: usize, made: &str, number: &str, parcel: bool) -> bool {
        let id = self.orders[at].id.clone();
        let seen = self.seen(at);
        let told = seen.fulfilments.iter().find(|f| f.id == made).unwrap();
        if !self.shop_of(at).ship(&id, made, number) {
            return false;
        }
        let mut new = ByStaff {
            id: made.to_owned(),
            goods: goods_of(told),
            from: None,
            place_unknown: false,
            parcel,
            undone: false,
        };
        match (told.location.as_deref(), self.terms.others_from) {
            (Some(TOKYO), _) => new.from = Some(0),
            (None, OthersFrom::Osaka) => new.from = Some(1),
            (None, OthersFrom::Unknown) => new.place_unknown = true,
            (Some(_), _) | (None, OthersFrom::Elsewhere) => {}
        }
        if !parcel {
            join(&mut self.orders[at].ever_marked, &new.goods);
        }
        self.stand_for_undone(at, &mut new);
        if let Some(shelf) = new.from.filter(|_| !parcel) {
            self.shelve(shelf, &new.goods, -1);
        }
        self.orders[at].by_staff_shipped.push(new);
        self.acted(at, Act::Fulfilled, &format!("shipped {made} as {number}"));
        true
    }

    /// Goods that were cancelled again and are shipped now are the same goods, and move no shelf.
    fn stand_for_undone(&mut self, at: usize, new: &mut ByStaff) {
        let mut replaced = Vec::new();
        for before in &mut self.orders[at].by_staff_shipped {
            if !before.undone {
                continue;
            }
            let mut same = Goods::new();
            for (code, n) in &mut before.goods {
                let rest = new.goods.entry(code.clone()).or_default();
                let both = (*n).min(*rest);
                *rest -= both;
                *n -= both;
                if both > 0 {
                    same.insert(code.clone(), both);
                }
            }
            if !same.is_empty() {
                replaced.push(ByStaff {
                    id: new.id.clone(),
                    goods: same,
                    undone: false,
                    // The earlier one may never have been read.
                    place_unknown: true,
                    ..before.clone()
                });
            }
        }
        self.orders[at].by_staff_shipped.extend(replaced);
    }

    /// Takes goods off a warehouse's shelf or puts them there, past its instructions.
    pub(super) fn shelve(&mut self, shelf: usize, goods: &Goods, sign: i64) {
        for (code, n) in goods {
            self.far.warehouses[shelf].add_stock(code, sign * i64::from(*n));
            self.shrunk.insert((shelf, code.clone()));
        }
    }

    /// Types a parcel of ours into the shop: the number is known before it is read here, or after.
    fn staff_ship_ours(&mut self, at: usize, seen: &Seen) -> bool {
        let number = &self.orders[at].number;
        let mut parcels = Vec::new();
        for warehouse in &self.far.warehouses {
            let shipments = warehouse.shipments();
            for (reference, left) in warehouse.shipped() {
                if shipments[&reference].order_number == *number {
                    parcels.extend(left);
                }
            }
        }
        let known = |tracking: &String| {
            let mut told = seen.fulfilments.iter().flat_map(|f| &f.tracking);
            told.any(|number| number == tracking)
        };
        parcels.retain(|parcel| !known(&parcel.tracking));
        if parcels.is_empty() {
            return false;
        }
        let parcel = self.dice.pick(&parcels).clone();
        let mut lines: Vec<(&str, u32)> = Vec::new();
        for inside in &parcel.lines {
            let mut of = seen
                .lines
                .iter()
                .filter(|(_, code, n, _)| *code == inside.code && *n > 0);
            let (Some((line, _, ordered, fulfilled)), None) = (of.next(), of.next()) else {
                return false;
            };
            if ordered - fulfilled < inside.quantity {
                return false;
            }
            lines.push((line, inside.quantity));
        }
        let Some(made) = self.shop_of(at).pack(&seen.id, &lines, None) else {
            return false;
        };
        self.staff_ship(at, &made, &parcel.tracking, true)
    }

    fn some_fulfilment<'f>(
        &mut self,
        seen: &'f Seen,
        fits: impl Fn(&Told) -> bool,
    ) -> Option<&'f Told> {
        let fitting: Vec<_> = seen.fulfilments.iter().filter(|f| fits(f)).collect();
        (!fitting.is_empty()).then(|| *self.dice.pick(&fitting))
    }

    fn staff_ship_packed(&mut self, at: usize, seen: &Seen) -> bool {
        let packed = |f: &Told| !f.shipped && !f.cancelled && f.reference.is_none();
        let Some(made) = self.some_fulfilment(seen, packed) else {
            return false;
        };
        let number = self.some_number();
        self.staff_ship(at, &made.id, &number, false)
    }

    fn staff_cancel_packed(&mut self, at: usize, seen: &Seen) -> bool {
        let Some(made) = self.some_fulfilment(seen, |f| !f.shipped && !f.cancelled) else {
            return false;
        };
        let done = self.shop_of(at).unpack(&seen.id, &made.id);
        if done {
            let what = format!("cancelled the packed {}", made.id);
            self.acted(at, Act::Unfulfilled, &what);
        }
        done
    }

    fn staff_undo(&mut self, at: usize, seen: &Seen) -> bool {
        let Some(made) = self.some_fulfilment(seen, |f| f.shipped && !f.cancelled) else {
            return false;
        };
        let done = self.shop_of(at).unship(&seen.id, &made.id);
        if done {
            self.undone(at, made);
            let what = format!("cancelled the shipped {}", made.id);
            self.acted(at, Act::Unfulfilled, &what);
        }
        done
    }

    /// What a cancelled fulfilment said: of one of ours, its parcel stands whatever the shop shows.
    fn undone(&mut self, at: usize, made: &Told) {
        let known = &mut self.orders[at].by_staff_shipped;
        let mut mine = known.iter_mut().filter(|f| f.id == made.id).peekable();
        if mine.peek().is_some() {
            mine.for_each(|f| f.undone = true);
            return;
        }
        known.push(ByStaff {
            id: made.id.clone(),
            goods: goods_of(made),
            from: None,
            place_unknown: false,
            parcel: true,
            undone: true,
        });
    }

    fn staff_correct(&mut self, at: usize, seen: &Seen) -> bool {
        let Some(made) = self.some_fulfilment(seen, |f| f.shipped && !f.cancelled) else {
            return false;
        };
        let number = self.some_number();
        let Some(new) = self.shop_of(at).correct(&seen.id, &made.id, &number) else {
            return false;
        };
        self.undone(at, made);
        // Under another number nobody sees that it is a parcel of ours.
        let order = &mut self.orders[at];
        let of = |f: &ByStaff| f.id == made.id && f.parcel;
        if order.by_staff_shipped.iter().any(of) {
            join(&mut order.ever_marked, &goods_of(made));
        }
        for f in &mut self.orders[at].by_staff_shipped {
            if f.id == made.id {
                f.id.clone_from(&new);
                f.undone = false;
            }
        }
        let what = format!("corrected {} to {number} as {new}", made.id);
        self.acted(at, Act::Unfulfilled, &what);
        true
    }

    fn staff_complete(&mut self, at: usize, seen: &Seen) -> bool {
        let word = if seen.status == "completed" {
            "archived"
        } else {
            "completed"
        };
        let done = match word {
            "archived" => self.shop_of(at).archive(&seen.id),
            _ => self.shop_of(at).complete(&seen.id),
        };
        if done {
            self.acted(at, Act::Completed, word);
        }
        done
    }

    /// Another quantity, a line less or a line more; the customer pays what that comes to, at once or later.
    fn staff_edit(&mut self, at: usize, seen: &Seen) -> bool {
        let lines: Vec<_> = seen.lines.iter().filter(|(_, _, n, _)| *n > 0).collect();
        let more = lines.is_empty() || self.dice.percent(25);
        let what = if more {
            let code = *self.dice.pick(&ITEMS);
            let n = u32::try_from(self.dice.range(1..=2)).unwrap();
            let price = self.orders[at].price_without_tax(code);
            let made = self.shop_of(at).add_line(&seen.id, code, n, &price);
            if made.is_some() && self.orders[at].most.contains_key(code) {
                self.orders[at].moved.insert(code.to_owned());
            }
            made.map(|line| format!("added {n} {code} as {line}"))
        } else {
            let (line, code, ordered, _) = *self.dice.pick(&lines);
            let most = u64::from(ordered + 2);
            let n = u32::try_from(self.dice.range(0..=most)).unwrap();
            let done = n != *ordered && self.shop_of(at).edit_quantity(&seen.id, line, n);
            done.then(|| format!("{n} {code} instead of {ordered} on {line}"))
        };
        let Some(what) = what else {
            return false;
        };
        self.acted(at, Act::Edited, &what);
        if self.dice.percent(60) {
            self.pay_again(at);
        }
        true
    }

    /// The customer pays what an edit or a void asks for. True when there was something to pay.
    pub(super) fn pay_again(&mut self, at: usize) -> bool {
        let order = &self.orders[at];
        let (id, number) = (order.id.clone(), order.number.clone());
        let asked = [Act::Edited, Act::Voided]
            .iter()
            .any(|act| order.acts.contains(act));
        let waits = asked && order.pay != super::orders::Pay::Bank;
        let paid = waits.then(|| self.shop_of(at).pay_again(&id)).flatten();
        if let Some(payment) = &paid {
            let text = format!("{number}: pays again, {payment}");
            self.log.say("customer", text);
        }
        paid.is_some()
    }

    /// What was authorised has run out: the customer is asked to pay anew.
    pub(super) fn paid_too_late(&mut self, at: usize) {
        let lapsed = self.shop_of(at).lapsed(&self.orders[at].id);
        if lapsed && !self.orders[at].acts.contains(&Act::Voided) {
            self.acted(at, Act::Voided, "its authorisation has ended");
        }
    }

    fn staff_address(&mut self, at: usize) -> bool {
        let id = self.orders[at].id.clone();
        let to = Party {
            name: "山田 花子".into(),
            country: "JP".into(),
            postal_code: "530-0001".into(),
            region: "大阪府".into(),
            city: "大阪市北区".into(),
            address1: format!("梅田{}", self.dice.range(1..=9)),
            phone: "03-1234-5678".into(),
            ..Party::default()
        };
        let done = self.shop_of(at).edit_address(&id, to);
        if done {
            self.acted(at, Act::Edited, "another address");
        }
        done
    }

    fn staff_delete(&mut self, at: usize, deleted: bool) -> bool {
        let id = self.orders[at].id.clone();
        let (done, word) = if deleted {
            (self.shop_of(at).restore(&id), "restored")
        } else {
            (self.shop_of(at).delete(&id), "deleted")
        };
        if done {
            self.acted(at, Act::Deleted, word);
        }
        done
    }

    /// In the end staff finish what they began: nothing stays deleted, packed or unpaid.
    pub(super) fn staff_finish(&mut self) {
        for at in 0..self.orders.len() {
            if self.orders[at].undecodable {
                continue;
            }
            let id = self.orders[at].id.clone();
            let shop = self.shop_of(at);
            if shop.restore(&id) {
                self.acted(at, Act::Deleted, "restored");
            }
            // It came back with its old time of change: one that was never read is read when it changes again.
            if self.orders[at].acts.contains(&Act::Deleted) {
                shop.touch(&id);
            }
            self.web_staff_finish(at);
            self.pay_again(at);
            let seen = self.seen(at);
            let packed = |f: &&Told| !f.shipped && !f.cancelled && f.reference.is_none();
            for made in seen.fulfilments.iter().filter(packed) {
                let number = format!("LATE-{}", made.id);
                if self.dice.percent(50) {
                    self.staff_ship(at, &made.id, &number, false);
                } else if shop.unpack(&id, &made.id) {
                    let what = format!("cancelled the packed {}", made.id);
                    self.acted(at, Act::Unfulfilled, &what);
                }
            }
        }
    }
}

pub(super) fn goods_of(fulfilment: &Told) -> Goods {
    let mut goods = Goods::new();
    for (code, n) in &fulfilment.lines {
        join(&mut goods, &Goods::from([(code.clone(), *n)]));
    }
    goods
}
