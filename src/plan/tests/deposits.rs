//! Deposits that are moved, differ a little or come too late, and payments that are lost.

use chrono::{Duration, NaiveDate, Weekday};
use hikiate_sdk::Currency;

use super::build::{at, order, pay};
use super::flow::ship_all;
use super::world::World;
use crate::calendar::Term;
use crate::facts::Verdict;
use crate::plan::types::{OrderPlan, Status};
use crate::policy::DepositTitles;

const S1: &str = "HK0123456789ABC-S1";

/// 1,500 yen by bank transfer.
fn by_transfer() -> World {
    let mut snapshot = order(&[("A", 1, 1000)]);
    pay(&mut snapshot, "bank");
    World::new(snapshot)
}

fn tolerant(tolerance: i64) -> World {
    let mut world = by_transfer();
    world.policy.payments.deposit_tolerance = tolerance;
    world
}

fn booked(world: &mut World) {
    let booking = world.policy.booking.as_mut().unwrap();
    booking.titles.deposits = Some(DepositTitles {
        bank: "bank".to_owned(),
        suspense: "suspense".to_owned(),
        rest: "rest".to_owned(),
    });
}

fn detail(plan: &OrderPlan, kind: &str) -> String {
    let task = plan.tasks.iter().find(|task| task.kind == kind);
    task.unwrap_or_else(|| panic!("no {kind}: {:?}", plan.tasks))
        .detail
        .clone()
}

/// The channel voids the card payment and asks for it anew, as an edit does.
fn void_and_ask_anew(world: &mut World) {
    world.edit(|order| {
        order.tenders[0].cancelled = true;
        let mut anew = order.tenders[0].clone();
        anew.key = "pay_2".into();
        anew.cancelled = false;
        anew.authorised = 0;
        order.tenders.push(anew);
    });
}

#[test]
fn what_differs_by_no_more_than_the_tolerance_pays_in_full() {
    for (came, status, kinds) in [
        (1000, Status::Allocated, vec![]),
        (999, Status::Unallocated, vec!["deposit_underpaid"]),
        (2000, Status::Allocated, vec![]),
        (2001, Status::Allocated, vec!["deposit_overpaid"]),
    ] {
        let mut world = tolerant(500);
        world.deposit("d1", came, Currency::JPY);
        let plan = world.settle();
        assert_eq!(
            (plan.status, World::kinds(&plan)),
            (status, kinds),
            "{came} came"
        );
    }
}

#[test]
fn a_tolerance_pays_nothing_by_itself_and_none_of_another_currency() {
    let mut world = tolerant(5000);
    assert_eq!(world.settle().blocked_by.as_deref(), Some("payment"));
    let mut snapshot = order(&[("A", 1, 1000)]);
    pay(&mut snapshot, "bank");
    snapshot.currency = Currency::EUR;
    let mut world = World::new(snapshot);
    world.policy.payments.deposit_tolerance = 500;
    world.deposit("d1", 1499, Currency::EUR);
    assert_eq!(world.settle().blocked_by.as_deref(), Some("payment"));
}

#[test]
fn a_yen_does_not_keep_the_stock_of_an_unpaid_order() {
    let mut world = by_transfer();
    world.deposit("d1", 1, Currency::JPY);
    let plan = world.settle();
    assert_eq!(plan.next, Some(at(0) + Duration::days(7)));
    assert_eq!(World::kinds(&plan), ["deposit_underpaid"]);
    world.now = at(0) + Duration::days(7);
    let plan = world.plan();
    assert_eq!(
        (plan.demands[0].wanted, World::kinds(&plan)),
        (0, vec!["payment_overdue"])
    );
    let detail = detail(&plan, "payment_overdue");
    assert!(detail.contains("1 JPY of 1500 JPY received"), "{detail}");
    world.deposit("d2", 1499, Currency::JPY);
    assert_eq!(world.settle().status, Status::Allocated);
}

#[test]
fn working_days_leave_out_when_the_shop_is_closed() {
    let mut world = by_transfer();
    world.policy.allocation.expire_unpaid = Some(Term::WorkingDays(2));
    let first = world.policy.shop.timezone;
    let day = at(0).with_timezone(&first).date_naive();
    let next = |n: u64| day.checked_add_days(chrono::Days::new(n)).unwrap();
    world.policy.shop.calendar.closed_dates = vec![next(1), next(3)];
    let plan = world.settle();
    // The days after: closed, open, closed, open.
    let ends = crate::calendar::begins(next(5), first).unwrap();
    assert_eq!(plan.next, Some(ends));
    world.policy.shop.calendar.closed_dates = Vec::new();
    world.policy.shop.calendar.closed_weekdays = vec![Weekday::Sat, Weekday::Sun];
    let ends = world
        .plan()
        .next
        .unwrap()
        .with_timezone(&first)
        .date_naive();
    let open = |day: &NaiveDate| world.policy.shop.calendar.is_open(*day);
    assert_eq!(
        day.iter_days()
            .skip(1)
            .filter(open)
            .nth(1)
            .unwrap()
            .succ_opt(),
        Some(ends)
    );
}

#[test]
fn a_deposit_that_is_taken_away_leaves_the_order_unpaid() {
    let mut world = by_transfer();
    world.deposit("d1", 1500, Currency::JPY);
    assert_eq!(world.settle().status, Status::Allocated);
    world.now = at(0) + Duration::days(10);
    world.take_deposit("d1", 1500);
    let plan = world.settle();
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    assert!(
        world
            .input
            .shipments
            .iter()
            .all(|row| row.state != crate::plan::types::ShipmentStage::Waiting)
    );
    // Its time begins anew.
    assert_eq!(
        (plan.next, plan.tasks.len()),
        (Some(world.now + Duration::days(7)), 0)
    );
    world.deposit("d2", 1500, Currency::JPY);
    assert_eq!(world.settle().status, Status::Allocated);
}

#[test]
fn a_deposit_taken_away_of_goods_at_a_warehouse_is_a_task_where_a_card_pays_the_rest() {
    let mut world = by_transfer();
    world.edit(|order| {
        order.tenders[0].amount = Some(1000);
        let mut card = super::build::tender("p2", "card", 500);
        card.authorised = 500;
        order.tenders.push(card);
    });
    world.deposit("d1", 1000, Currency::JPY);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    assert!(World::kinds(&world.settle()).is_empty());
    world.take_deposit("d1", 1000);
    let plan = world.settle();
    let told = detail(&plan, "payment_withdrawn");
    assert!(
        told.contains("The deposit that paid the order was moved or voided"),
        "{told}"
    );
}

#[test]
fn goods_at_a_warehouse_whose_deposit_is_taken_away_are_a_task_each_time() {
    let mut world = by_transfer();
    world.deposit("d1", 1500, Currency::JPY);
    world.settle();
    world.wait(30);
    world.seal();
    world.instruct_outcome(S1, Verdict::Accepted);
    world.take_deposit("d1", 1500);
    let plan = world.settle();
    let told = detail(&plan, "payment_withdrawn");
    assert!(
        told.contains("The deposit that paid the order was moved or voided") && told.contains(S1),
        "{told}"
    );
    world.release("payment_withdrawn");
    assert!(!World::kinds(&world.settle()).contains(&"payment_withdrawn"));
    // Another deposit is another question.
    world.deposit("d2", 1500, Currency::JPY);
    assert!(World::kinds(&world.settle()).is_empty());
    world.take_deposit("d2", 700);
    let kinds = World::kinds(&world.settle()).join(" ");
    assert!(
        kinds.contains("payment_withdrawn") && kinds.contains("deposit_underpaid"),
        "{kinds}"
    );
}

#[test]
fn a_deposit_that_is_taken_away_after_the_goods_have_shipped_is_missing() {
    let mut world = by_transfer();
    world.deposit("d1", 1500, Currency::JPY);
    ship_all(&mut world);
    world.push_all();
    let before = world.input.revenue.len();
    world.take_deposit("d1", 1500);
    let plan = world.settle();
    assert!(detail(&plan, "deposit_underpaid").contains("Ask the customer for 1500 JPY"));
    assert_eq!(world.input.revenue.len(), before);
    assert!(!World::kinds(&plan).contains(&"payment_overdue"));
}

#[test]
fn a_payment_that_an_edit_voids_is_a_task_with_a_deadline() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    assert_eq!(world.settle().status, Status::Allocated);
    world.now = at(0) + Duration::days(3);
    void_and_ask_anew(&mut world);
    let plan = world.settle();
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    let told = detail(&plan, "payment_lost");
    assert!(told.contains("of 1500 JPY, 0 JPY is authorised"), "{told}");
    let deadline = world.now + Duration::days(7);
    assert!(
        plan.tasks
            .iter()
            .any(|task| task.kind == "payment_lost" && task.due == Some(deadline))
    );
    assert_eq!(plan.next, Some(deadline));
    world.now = deadline;
    let plan = world.plan();
    assert_eq!(
        (plan.demands[0].wanted, World::kinds(&plan)),
        (0, vec!["payment_overdue"])
    );
    world.edit(|order| order.tenders[1].authorised = 1500);
    let plan = world.settle();
    assert_eq!((plan.status, plan.tasks.len()), (Status::Allocated, 0));
}

#[test]
fn an_order_of_which_a_part_has_shipped_is_not_over_because_the_rest_is_unpaid() {
    let mut world = World::new(order(&[("A", 1, 1000)]));
    ship_all(&mut world);
    world.push_all();
    let more = order(&[("A", 1, 1000), ("B", 1, 1000)]);
    world.edit(|order| {
        (order.lines, order.charges, order.total) = (more.lines, more.charges, more.total);
        let mut rest = order.tenders[0].clone();
        (rest.key, rest.amount, rest.authorised) = ("pay_2".into(), Some(1000), 0);
        order.tenders.push(rest);
    });
    world.settle();
    world.now += Duration::days(8);
    let plan = world.plan();
    let kinds = World::kinds(&plan);
    assert!(
        kinds.contains(&"payment_lost") && !kinds.contains(&"payment_overdue"),
        "{kinds:?}"
    );
    assert_eq!(
        plan.demands
            .iter()
            .map(|row| row.wanted)
            .collect::<Vec<_>>(),
        [1, 1]
    );
}

#[test]
fn a_card_that_was_never_authorised_is_no_payment_that_was_lost() {
    let mut snapshot = order(&[("A", 1, 1000)]);
    snapshot.tenders[0].authorised = 0;
    let mut world = World::new(snapshot);
    let plan = world.settle();
    assert_eq!(plan.blocked_by.as_deref(), Some("payment"));
    assert_eq!((plan.tasks.len(), plan.next), (0, None));
}

#[test]
fn what_the_tolerance_leaves_is_posted_once_and_taken_back_with_the_deposit() {
    let mut world = tolerant(500);
    booked(&mut world);
    world.deposit("d1", 1100, Currency::JPY);
    world.input.deposit_books.matched = 1100;
    let rest = world.plan().rest.unwrap();
    assert_eq!(
        (rest.amount, rest.key.as_str()),
        (-400, "HK0123456789ABC:rest:1")
    );
    assert_eq!(
        rest.business_date,
        world
            .now
            .with_timezone(&world.policy.shop.timezone)
            .date_naive()
    );
    world.deposit("d2", 300, Currency::JPY);
    world.input.deposit_books.matched = 1400;
    assert_eq!(world.plan().rest.unwrap().amount, 300);
    world.take_deposit("d1", 1100);
    world.input.deposit_books.matched = 300;
    assert_eq!(world.plan().rest.unwrap().amount, 100);
    assert_eq!(world.input.deposit_books.rest, 0);
}

#[test]
fn no_rest_is_posted_of_deposits_that_are_not_in_the_books() {
    let mut world = tolerant(500);
    booked(&mut world);
    world.deposit("d1", 1100, Currency::JPY);
    assert_eq!(
        world.plan().rest,
        None,
        "they came before their titles were set"
    );
    let mut world = tolerant(500);
    world.deposit("d1", 1100, Currency::JPY);
    world.input.deposit_books.matched = 1100;
    assert_eq!(world.plan().rest, None, "they have no titles any more");
}
