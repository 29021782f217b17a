//! What a warehouse does with a shipment: drawn from the seed and the reference, so that it is the same
//! however often the shipment is told.

use hikiate_files::sim::{SimCancel, SimHandling, SimShipment};

use super::dice::Dice;

pub(super) fn handling(seed: u64, shipment: &SimShipment) -> SimHandling {
    let mixed = shipment.reference.bytes().fold(seed, |mixed, byte| {
        mixed.wrapping_mul(0x0100_0000_01b3) ^ u64::from(byte)
    });
    let mut dice = Dice::new(mixed);
    let pieces: u32 = shipment.lines.iter().map(|l| l.quantity).sum();
    // What is told anew after an operator has looked goes well.
    let first = shipment.reference.ends_with("-S1");
    SimHandling {
        reject: (first && dice.percent(8)).then(|| "住所不明".to_owned()),
        ship_after: u32::try_from(dice.range(1..=5)).unwrap(),
        parcel_per_line: dice.percent(30),
        // Something leaves of each shipment: one of which nothing ever left would only be late.
        leave_out: u32::from(first && dice.percent(10) && pieces > 1),
        cancel: if dice.percent(30) {
            SimCancel::Decline
        } else {
            SimCancel::Accept
        },
    }
}
