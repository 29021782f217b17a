//! What the warehouses' accounts could not write of an order, found while it is planned and not when its batch is sealed.
//! Pure: each instruction is rendered on trial by [`Operations::prepare`] and thrown away.

use std::collections::{BTreeMap, BTreeSet};

use hikiate_sdk::{
    AccountSlug, Asks, BatchName, Call, DeliveryGroup, Error, ErrorClass, InstructCall,
    Instruction, InstructionLine, Operations, OrderLine, OrderSnapshot, Party, Prepared,
};

use super::asks::{Asked, asked};
use super::number::shipment_reference;
use super::types::{DemandState, NotWritten, OrderInput, Written};
use crate::facts::FactBody;
use crate::policy::{Policy, Warehouse};

/// What cannot be written of the goods that are still to ship: at the warehouses that have them reserved; where nothing of a
/// delivery group is reserved yet, only what no warehouse can write.
#[must_use]
pub fn not_written<'o>(
    input: &OrderInput,
    policy: &Policy,
    operations: impl Fn(&AccountSlug) -> Option<&'o dyn Operations>,
) -> Vec<NotWritten> {
    let readings = input.facts.iter().rev();
    let newest = readings.filter_map(|fact| match &fact.body {
        FactBody::Order(reading) => Some(&reading.order),
        _ => None,
    });
    let (Some(order), Some(personal)) = (newest.into_iter().next(), &input.personal) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for group in &order.groups {
        let Some(ship_to) = personal.ship_to.get(group.key.as_str()) else {
            continue;
        };
        let open = open_lines(input, order, group);
        let at: BTreeSet<&str> = open.iter().flat_map(|line| reserved(input, line)).collect();
        let mut told: Vec<Vec<NotWritten>> = Vec::new();
        for warehouse in &policy.warehouses {
            let here = |line: &&&OrderLine| {
                at.is_empty() || reserved(input, line).any(|name| name == warehouse.name)
            };
            let lines: Vec<&OrderLine> = open.iter().filter(here).copied().collect();
            let Some(operations) = operations(&warehouse.account).filter(|_| !lines.is_empty())
            else {
                continue;
            };
            let channel = policy.channels.get(&input.channel);
            let asked = asked(order, group, personal, channel, warehouse);
            let unmapped = asked.unmapped.iter().map(|why| NotWritten {
                warehouse: warehouse.name.clone(),
                part: Written::Unmapped,
                named: false,
                why: why.clone(),
            });
            let mut here: Vec<NotWritten> = unmapped.collect();
            let trial = trial(input, order, group, ship_to, &lines, asked);
            here.extend(refused(warehouse, operations, trial));
            told.push(here);
        }
        let all = told.len() == policy.warehouses.len();
        if !at.is_empty() || all && told.iter().all(|told| !told.is_empty()) {
            found.extend(told.into_iter().flatten());
        }
    }
    found
}

/// Renders a call; a panic is a failure of this call and of no other.
///
/// # Errors
/// See [`Operations::prepare`].
pub fn render_call(operations: &dyn Operations, call: &Call) -> Result<Prepared, Error> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| operations.prepare(call)))
        .unwrap_or_else(|_| {
            let words = "rendering it hit a bug in hikiate; report it";
            Err(Error::new(ErrorClass::Config, words))
        })
}

fn demand<'a>(input: &'a OrderInput, line: &OrderLine) -> Option<&'a DemandState> {
    let mut demands = input.demands.iter();
    demands.find(|demand| demand.line == line.key)
}

/// Warehouses that have something of a line reserved.
fn reserved<'a>(input: &'a OrderInput, line: &OrderLine) -> impl Iterator<Item = &'a str> {
    let rows = demand(input, line).into_iter().flat_map(|d| &d.reserved);
    rows.filter(|(_, quantity, _)| *quantity > 0)
        .map(|(warehouse, _, _)| warehouse.as_str())
}

/// Lines of a group that a warehouse of ours is still to ship something of.
fn open_lines<'a>(
    input: &OrderInput,
    order: &'a OrderSnapshot,
    group: &DeliveryGroup,
) -> Vec<&'a OrderLine> {
    let goes = |line: &&OrderLine| {
        let sku = line.sku.as_ref();
        let item = sku.and_then(|sku| input.items.get(sku));
        line.group == group.key
            && line.quantity > 0
            && line.ours()
            && item.is_none_or(|item| item.stocked)
            && demand(input, line).is_none_or(|demand| demand.shipped < demand.wanted)
    };
    order.lines.iter().filter(goes).collect()
}

/// The instruction that would go out. The warehouse's codes are not known here and stand in it as `x`.
fn trial(
    input: &OrderInput,
    order: &OrderSnapshot,
    group: &DeliveryGroup,
    ship_to: &Party,
    lines: &[&OrderLine],
    asked: Asked,
) -> Instruction {
    let line = |(n, line): (usize, &&OrderLine)| InstructionLine {
        n: u32::try_from(n + 1).unwrap_or(u32::MAX),
        code: "x".to_owned(),
        title: line.title.clone(),
        quantity: line.quantity,
        unit_price: line.unit_price,
        customs: line.customs.clone(),
    };
    Instruction {
        reference: shipment_reference(&input.number, 1),
        order_number: input.number.clone(),
        display: order.display.clone(),
        channel: input.channel.to_string(),
        ordered_at: order.ordered_at,
        service: asked.service,
        earliest_ship: group.earliest_ship,
        ship_to: ship_to.clone(),
        lines: lines.iter().enumerate().map(line).collect(),
        asks: asked.asks,
    }
}

/// What of an instruction is refused, each part by itself among others that any layout can write.
fn refused(
    warehouse: &Warehouse,
    operations: &dyn Operations,
    trial: Instruction,
) -> Vec<NotWritten> {
    let why = |instruction: &Instruction| {
        let call = Call::Instruct(InstructCall {
            batch: BatchName {
                account: warehouse.account.to_string(),
                kind: "instruct".to_owned(),
                period: "trial".to_owned(),
                n: 1,
            },
            instructions: vec![instruction.clone()],
        });
        // What is no fault of the order's is for the batch to tell.
        let error = render_call(operations, &call).err();
        error.filter(|error| error.class == ErrorClass::Rejected)
    };
    let Some(whole) = why(&trial) else {
        return Vec::new();
    };
    // An account that names the part itself may not take the plain texts that every layout takes.
    let named = whole.code.as_deref().and_then(Written::named);
    if let Some(part) = named {
        return vec![NotWritten {
            warehouse: warehouse.name.clone(),
            part,
            named: true,
            why: whole.message,
        }];
    }
    let one = |part, error: Error| NotWritten {
        warehouse: warehouse.name.clone(),
        part,
        named: false,
        why: error.message,
    };
    // The country stands in each part: where it is refused by itself, the other parts are looked at once it is right.
    if let Some(country) = why(&plain(&trial)) {
        return vec![one(Written::Address, country)];
    }
    let parts: Vec<NotWritten> = parts(&trial)
        .into_iter()
        .filter_map(|(part, alone)| why(&alone).map(|error| one(part, error)))
        .collect();
    if parts.is_empty() {
        return vec![one(Written::Together, whole)];
    }
    parts
}

/// The instruction once for each of its parts, in which only that part says what it says.
fn parts(trial: &Instruction) -> Vec<(Written, Instruction)> {
    let plain = plain(trial);
    let mut parts = Vec::new();
    let mut part = |part, change: &dyn Fn(&mut Instruction)| {
        let mut alone = plain.clone();
        change(&mut alone);
        parts.push((part, alone));
    };
    part(Written::Name, &|alone| {
        alone.ship_to.name.clone_from(&trial.ship_to.name);
        alone.ship_to.company.clone_from(&trial.ship_to.company);
    });
    part(Written::Address, &|alone| {
        let Party { name, company, .. } = alone.ship_to.clone();
        alone.ship_to = Party {
            name,
            company,
            ..trial.ship_to.clone()
        };
    });
    part(Written::Service, &|alone| {
        alone.service.clone_from(&trial.service);
        alone.display.clone_from(&trial.display);
    });
    let asks = &trial.asks;
    for alone in [
        Asks {
            arrive_on: asks.arrive_on,
            ..Asks::default()
        },
        Asks {
            slot: asks.slot.clone(),
            ..Asks::default()
        },
        Asks {
            temperature: asks.temperature,
            ..Asks::default()
        },
        Asks {
            sender: asks.sender.clone(),
            ..Asks::default()
        },
        Asks {
            gift: asks.gift.clone(),
            ..Asks::default()
        },
        Asks {
            cod: asks.cod,
            ..Asks::default()
        },
    ] {
        part(Written::Wish, &|instruction| {
            instruction.asks = Asks {
                prices: asks.prices,
                ..alone.clone()
            };
        });
    }
    let mut titles: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, line) in trial.lines.iter().enumerate() {
        titles.entry(&line.title).or_insert(at);
    }
    for at in titles.into_values() {
        part(Written::Title, &|alone| {
            for (line, told) in alone.lines.iter_mut().zip(trial.lines.get(at)) {
                line.title.clone_from(&told.title);
            }
        });
    }
    parts
}

/// The same with texts that every layout takes.
fn plain(trial: &Instruction) -> Instruction {
    let x = || "x".to_owned();
    let ship_to = Party {
        name: x(),
        company: String::new(),
        country: trial.ship_to.country.clone(),
        postal_code: "1".to_owned(),
        region: x(),
        city: x(),
        address1: x(),
        address2: String::new(),
        phone: "1".to_owned(),
        email: String::new(),
    };
    let lines = trial.lines.iter().take(1);
    Instruction {
        display: "1".to_owned(),
        service: Some(x()),
        ship_to,
        asks: Asks {
            prices: trial.asks.prices,
            ..Asks::default()
        },
        lines: lines
            .map(|line| InstructionLine {
                title: x(),
                ..line.clone()
            })
            .collect(),
        ..trial.clone()
    }
}
