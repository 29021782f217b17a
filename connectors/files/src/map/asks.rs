//! What an instruction asks beyond goods and address, and whether a layout writes it: a row that is the same without it does not.

use hikiate_sdk::{Asks, Instruction, Temperature};

use crate::layout::Ask;

/// The instruction without one of the things that it asks; `None` where it does not ask that.
pub(crate) fn without(instruction: &Instruction, ask: Ask) -> Option<Instruction> {
    let mut asks = instruction.asks.clone();
    let Asks {
        arrive_on,
        slot,
        temperature,
        sender,
        gift,
        cod,
        prices: _,
    } = &mut asks;
    let asked = match ask {
        Ask::ArriveOn => arrive_on.take().is_some(),
        Ask::Slot => slot.take().is_some(),
        // What every parcel is, is asked of none.
        Ask::Temperature => temperature
            .take()
            .is_some_and(|t| t != Temperature::Ambient),
        Ask::Sender => sender.take().is_some(),
        Ask::Noshi => !std::mem::take(&mut gift.noshi).is_empty(),
        Ask::NoshiName => !std::mem::take(&mut gift.noshi_name).is_empty(),
        Ask::Wrapping => !std::mem::take(&mut gift.wrapping).is_empty(),
        Ask::Message => !std::mem::take(&mut gift.message).is_empty(),
        Ask::Cod => cod.take().is_some(),
    };
    asked.then(|| Instruction {
        asks,
        ..instruction.clone()
    })
}
