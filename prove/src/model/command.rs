//! What can happen. Every command is small numbers that are taken modulo what is there, so that a run
//! stays a run when some of its commands are left out.

use super::rng::Rng;

/// What becomes of a call that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It happens, and we hear so.
    Done,
    /// It happens, and the end is heard later.
    Accepted,
    /// It does not happen, and we hear so.
    Refused,
    /// It does not happen: too busy.
    Busy,
    /// It happens, and the answer is lost.
    Lost,
    /// It does not happen, and no answer comes.
    Dropped,
    /// It happens, but our lease is over before the answer comes.
    Late,
    /// It does not happen, and the answer is an error that is not the operation's own.
    Rejected,
    /// It happens, and the answer does not show it.
    NotShown,
    /// It does not happen, and the answer looks as if it had.
    Swallowed,
}

/// What becomes of a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    /// It says whether the call happened.
    Clear,
    /// Nobody answers.
    Away,
    /// The answer says nothing of the call.
    Unclear,
}

/// What staff do to an order at its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// Pack some of it.
    Pack,
    /// Ship some of it: from a place the channel does not name, from one of ours, or from one that is not.
    Ship(Where),
    /// Type one of our own parcels, with its number.
    Copy,
    /// Ship what was packed.
    ShipPacked,
    /// Cancel a fulfilment, whoever made it.
    CancelFulfilment,
    /// Give a fulfilment another number: that of a parcel of ours, or one that nobody knows.
    Renumber {
        /// Of a parcel of ours.
        ours: bool,
    },
    /// Complete or archive it.
    Complete,
    /// Take that back.
    Reopen,
    /// Take a line off.
    RemoveLine,
    /// Add a line.
    AddLine,
    /// Another street.
    Move,
    /// Another shipping method.
    Service,
    /// Delete it.
    Vanish,
    /// Restore it.
    ComeBack,
    /// Give back a part of what was captured by card; `provider`: at the provider, past the channel.
    Refund {
        /// Of what is kept.
        percent: u8,
        /// The channel's order does not have it.
        provider: bool,
    },
    /// Void the payment by card, and ask for what is still to be paid.
    Void,
}

/// Where staff ship from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Where {
    /// Nobody says.
    Unnamed,
    /// A warehouse of ours, by the channel's code.
    Ours,
    /// A place that is not ours.
    Elsewhere,
}

/// What an operator types about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Ask a shipment back.
    Recall,
    /// What its warehouse said by telephone.
    Recalled,
    /// End the order.
    End,
    /// A parcel of what no warehouse was told of.
    ShippedByHand,
    /// The parcel of a shipment that its warehouse has; `mistyped` under another number.
    Shipped {
        /// Under another number than the warehouse will report.
        mistyped: bool,
    },
    /// A parcel has another number.
    Correct,
    /// Goods came back.
    Returned,
    /// Tell the channel again.
    Tell,
    /// Do what a task says.
    Settle,
    /// Give back a part of what is captured, or all of it.
    Refund {
        /// Of what is kept of a payment.
        percent: u8,
    },
    /// Release what is authorised.
    Void,
}

/// One step of a run. Numbers name an order, a row or a shipment modulo how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]

pub(super) enum Command {
    /// A customer orders; the number seeds the order's shape.
    Place { shape: u32 },
    /// The channel changes how many units of a line are wanted.
    Edit { order: u8, line: u8, units: u8 },
    /// The channel cancels.
    CancelAtChannel { order: u8 },
    /// The channel takes its cancel back.
    Revive { order: u8 },
    /// The channel freezes or lets go.
    Gate { order: u8, open: bool },
    /// The provider authorises the whole amount.
    Authorise { order: u8 },
    /// Somebody captures a part by hand.
    TakenByOthers { order: u8, percent: u8 },
    /// The channel is read; `late` answers wait.
    Read { order: u8, late: bool },
    /// A late answer comes.
    Deliver { which: u8 },
    /// All late answers of an order and all the warehouses have said come at once, in two orders.
    Burst { order: u8, shuffle: u32 },
    /// An answer that was heard before comes again.
    Repeat { which: u8 },
    /// Money comes by bank transfer.
    Deposit { order: u8, percent: u8 },
    /// A warehouse counts; an old count is as of an hour ago.
    Count {
        item: u8,
        place: u8,
        units: u8,
        old: bool,
    },
    /// Stock is given out.
    Allocate,
    /// An order is planned.
    Plan { order: u8 },
    /// A wave is sealed.
    Seal { place: u8 },
    /// A due effect is claimed.
    Claim { which: u8 },
    /// A claimed effect takes its next step.
    Go { which: u8, glance: Glance },
    /// A call that was sent ends.
    Answer { which: u8, fate: Fate },
    /// An operator finds out what became of an unknown effect.
    Resolve { which: u8 },
    /// A warehouse answers to an instruction.
    Reply { which: u8, good: bool },
    /// Goods leave; 0 units is what the line still lacks, other numbers are taken as they are.
    Parcel {
        which: u8,
        key: u8,
        line: u8,
        units: u8,
    },
    /// A warehouse answers to a request to stop.
    StopReply { which: u8, word: u8 },
    /// What a warehouse has said is heard.
    Hear { place: u8 },
    /// An operator holds.
    Hold { order: u8 },
    /// An operator lets go of something.
    Release { order: u8, which: u8 },
    /// An operator cancels.
    Cancel { order: u8 },
    /// Staff act at the channel.
    Staff {
        order: u8,
        deed: Deed,
        which: u8,
        units: u8,
    },
    /// An operator types.
    Type { order: u8, word: Word, which: u8 },
    /// Shipping is stopped: everything, one warehouse, or one item.
    Stop { which: u8 },
    /// A stop is lifted.
    Lift,
    /// The channel begins, as of some hours ago.
    Begin { hours: u8 },
    /// The channel is stopped.
    Unbegin,
    /// The books of what is open are closed.
    SealBooks,
    /// Time passes.
    Wait { minutes: u16 },
}

impl Command {
    /// Some command.
    pub(super) fn random(rng: &mut Rng, lazy: bool, people: bool) -> Self {
        if people && rng.chance(22) {
            return Self::by_people(rng);
        }
        use Command as C;
        let order = rng.small(4);
        let which = rng.small(8);
        let place = rng.small(2);
        match rng.below(if lazy { 118 } else { 100 }) {
            0..4 => C::Place {
                shape: rng.next() as u32,
            },
            4..7 => C::Edit {
                order,
                line: rng.small(3),
                units: rng.small(6),
            },
            7 => C::CancelAtChannel { order },
            8 => C::Revive { order },
            9 => C::Gate {
                order,
                open: rng.chance(70),
            },
            10..12 => C::Authorise { order },
            12 => C::TakenByOthers {
                order,
                percent: rng.small(101),
            },
            13..16 => C::Read {
                order,
                late: rng.chance(40),
            },
            16..18 => C::Deliver { which },
            18..20 => C::Burst {
                order,
                shuffle: rng.next() as u32,
            },
            20..22 => C::Repeat {
                which: rng.small(16),
            },
            22..24 => C::Deposit {
                order,
                percent: if rng.chance(60) { 100 } else { rng.small(130) },
            },
            24..27 => C::Count {
                item: rng.small(3),
                place,
                units: rng.small(20),
                old: rng.chance(25),
            },
            27..36 => C::Allocate,
            36..42 => C::Seal { place },
            42..52 => C::Claim { which },
            52..64 => C::Go {
                which,
                glance: glance(rng),
            },
            64..76 => C::Answer {
                which,
                fate: fate(rng),
            },
            76..78 => C::Resolve { which },
            78..81 => C::Reply {
                which,
                good: rng.chance(80),
            },
            81..87 => C::Parcel {
                which,
                key: rng.small(3),
                line: rng.small(3),
                units: if rng.chance(75) { 0 } else { rng.small(5) },
            },
            87 => C::StopReply {
                which,
                word: rng.small(3),
            },
            88..91 => C::Hear { place },
            91 => C::Hold { order },
            92..94 => C::Release {
                order,
                which: rng.small(9),
            },
            94 => C::Cancel { order },
            95 => C::SealBooks,
            96..100 => C::Wait {
                minutes: if rng.chance(80) {
                    rng.small(90).into()
                } else {
                    rng.below(6000) as u16
                },
            },
            _ => C::Plan { order },
        }
    }

    /// Staff or operators do something.
    fn by_people(rng: &mut Rng) -> Self {
        use Command as C;
        let (order, which) = (rng.small(4), rng.small(8));
        let deed = match rng.below(136) {
            100..111 => Deed::Refund {
                percent: if rng.chance(35) {
                    100
                } else {
                    1 + rng.small(100)
                },
                provider: rng.chance(15),
            },
            111..115 => Deed::Void,
            115..119 => return C::Authorise { order },
            119..124 => {
                return C::TakenByOthers {
                    order,
                    percent: if rng.chance(50) { 100 } else { rng.small(101) },
                };
            }
            124..133 => {
                let percent = if rng.chance(40) {
                    100
                } else {
                    1 + rng.small(100)
                };
                let word = Word::Refund { percent };
                return C::Type { order, word, which };
            }
            133..136 => {
                let word = Word::Void;
                return C::Type { order, word, which };
            }
            0..4 => Deed::Pack,
            4..9 => Deed::Ship(Where::Unnamed),
            9..13 => Deed::Ship(Where::Ours),
            13..15 => Deed::Ship(Where::Elsewhere),
            15..19 => Deed::Copy,
            19..22 => Deed::ShipPacked,
            22..29 => Deed::CancelFulfilment,
            29..33 => Deed::Renumber {
                ours: rng.chance(40),
            },
            33..37 => Deed::Complete,
            37..39 => Deed::Reopen,
            39..41 => Deed::RemoveLine,
            41..44 => Deed::AddLine,
            44..47 => Deed::Move,
            47..49 => Deed::Service,
            49..53 => Deed::Vanish,
            53..57 => Deed::ComeBack,
            rest => return Self::by_operator(rng, rest, order, which),
        };
        C::Staff {
            order,
            deed,
            which,
            units: rng.small(5),
        }
    }

    fn by_operator(rng: &mut Rng, drawn: u64, order: u8, which: u8) -> Self {
        use Command as C;
        let word = match drawn {
            0..62 => Word::Recall,
            62..64 => Word::Recalled,
            64..68 => Word::End,
            68..72 => Word::ShippedByHand,
            72..76 => Word::Shipped {
                mistyped: rng.chance(30),
            },
            76..78 => Word::Correct,
            78..80 => Word::Returned,
            80..82 => Word::Tell,
            82..91 => Word::Settle,
            91..93 => return C::Stop { which },
            93..96 => return C::Lift,
            96..99 => {
                return C::Begin {
                    hours: rng.small(60),
                };
            }
            _ => return C::Unbegin,
        };
        C::Type { order, word, which }
    }
}

fn glance(rng: &mut Rng) -> Glance {
    match rng.below(20) {
        0..17 => Glance::Clear,
        17 => Glance::Away,
        _ => Glance::Unclear,
    }
}

fn fate(rng: &mut Rng) -> Fate {
    match rng.below(23) {
        0..10 => Fate::Done,
        10..12 => Fate::Accepted,
        12 => Fate::Refused,
        13 => Fate::Busy,
        14..17 => Fate::Lost,
        17..19 => Fate::Dropped,
        19 => Fate::Late,
        20 => Fate::Rejected,
        21 => Fate::NotShown,
        _ => Fate::Swallowed,
    }
}
