//! The morning on which every pair meets: orders at each point of their way, all with something to do.

use std::sync::Arc;

use hikiate::facts::FactBody;
use hikiate::store::{
    ClaimedEffect, IncomingFact, IncomingOrder, IncomingPage, OwnedAccount, ToSend,
};
use hikiate_sdk::{ChannelState, InstructionReply, ReplyVerdict};

use super::shelf::Shelf;
use crate::support::shop::{Shop, at, order, page, parcel};

/// The stream of what a channel says by itself.
pub(super) const PUSHED: &str = "pushed";
/// The stream of counts.
pub(super) const COUNTS: &str = "counts";

/// What the deeds are given.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) shop: OwnedAccount,
    pub(super) wms: OwnedAccount,
    pub(super) order_a: i64,
    pub(super) order_e: i64,
    pub(super) order_n: i64,
    pub(super) order_w: i64,
    /// Sequence numbers of the streams of orders and parcels.
    pub(super) seq: (i64, i64),
    /// A's call, under way.
    pub(super) sending: ClaimedEffect,
    /// C's call, claimed but not made; only where somebody takes it back meanwhile.
    pub(super) leased: Option<ClaimedEffect>,
    pub(super) page: IncomingPage,
    pub(super) pushed: IncomingPage,
    pub(super) read: IncomingPage,
    pub(super) parcel: IncomingPage,
    pub(super) count: IncomingPage,
}

/// A prepared state with what belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Morning {
    pub(super) shelf: Shelf,
    pub(super) given: Arc<Given>,
}

/// The three states.
#[derive(Clone, Debug)]
pub(super) struct Mornings {
    /// C's call is in the queue.
    pub(super) plain: Morning,
    /// And the channel says that C is cancelled: the plan takes the call back.
    pub(super) withdrawn: Morning,
    /// And the call is claimed.
    pub(super) leased: Morning,
}

fn told(id: &str, quantity: u32, display: &str) -> IncomingOrder {
    let mut told = order(id, quantity);
    told.fact.order.display = display.to_owned();
    told
}

/// An order that was cancelled before anything was done, of somebody at this street.
fn ended(id: &str, display: &str, street: &str) -> IncomingOrder {
    let mut told = told(id, 1, display);
    told.fact.order.state = ChannelState::Cancelled { at: at(0) };
    told.personal.buyer.address1 = street.to_owned();
    told.raw = format!("order {id} {street}").into_bytes();
    told
}

/// A shipment of E that the warehouse of before has.
const OLD: &str = "E-OLD";

/// What a warehouse says of it, with the address.
fn said(message: &str, minute: i64) -> IncomingFact {
    IncomingFact {
        series: OLD.to_owned(),
        body: FactBody::Reply(InstructionReply {
            reference: OLD.into(),
            verdict: ReplyVerdict::Rejected,
            message: message.to_owned(),
            at: None,
        }),
        ..parcel(OLD, 1, minute)
    }
}

async fn known(shop: &Shop) {
    sqlx::query("INSERT INTO aliases (account_id, kind, external_id, subject_id) VALUES ($1, 'shipment', $2, $3)")
        .bind(shop.account("wms"))
        .bind(OLD)
        .bind(shop.subject("E").await)
        .execute(shop.pool())
        .await
        .unwrap();
}

impl Mornings {
    /// Makes them in the shop's database.
    pub(super) async fn make(shop: &Shop) -> Self {
        let store = shop.store();
        store
            .register_streams(shop.account("shop"), &[PUSHED.to_owned()])
            .await
            .unwrap();
        store
            .register_streams(shop.account("wms"), &[COUNTS.to_owned()])
            .await
            .unwrap();
        shop.count("TEA", 20, 0).await;
        let mut orders = ["A", "C", "D", "H"].map(|id| order(id, 1)).to_vec();
        // A purge takes E at once, and F, of which there will be news, after its plan.
        orders.push(ended("E", "E", "千代田1-1"));
        orders.push(ended("F", "F", "千代田1-1"));
        shop.pull("shop", &page(0, orders)).await;
        shop.settle().await;
        // W wants more than there is.
        shop.pull("shop", &page(1, vec![order("W", 30)])).await;
        shop.settle().await;
        let mut references = Vec::new();
        for id in ["A", "C", "D", "H"] {
            let subject = shop.subject(id).await;
            references.push(shop.instructed(subject).await);
            shop.make_due(subject).await;
        }
        shop.settle().await;
        // A has left, and the channel is being told.
        known(shop).await;
        let mut left = page(2, Vec::new());
        left.facts.push(parcel(&references[0], 1, 2));
        left.facts.push(said("no 千代田1-1 here", 2));
        shop.pull("wms", &left).await;
        shop.settle().await;
        let owned = shop.owned("shop").await;
        let sending = shop.claimed().await;
        let mark = ToSend {
            id: sending.id,
            token: sending.token,
            body: b"told".to_vec(),
            label: "call".to_owned(),
        };
        assert_eq!(
            store
                .mark_sending(&owned, &[mark], 3600)
                .await
                .unwrap()
                .bytes
                .len(),
            1
        );
        // C has left too, and nobody has taken up its call.
        let mut left = page(3, Vec::new());
        left.facts.push(parcel(&references[1], 1, 3));
        shop.pull("wms", &left).await;
        shop.settle().await;
        // News that nobody has planned: D has left, A and C are told otherwise, N is new, more was counted.
        shop.clock(8).await;
        let mut left = page(8, Vec::new());
        left.facts.push(parcel(&references[2], 1, 8));
        shop.pull("wms", &left).await;
        let orders = vec![
            told("A", 1, "A again"),
            told("C", 1, "C again"),
            ended("F", "F again", "千代田2-2"),
            order("N", 2),
        ];
        shop.pull("shop", &page(8, orders)).await;
        shop.count("TEA", 25, 8).await;
        shop.clock(10).await;

        let mut parcels = page(9, Vec::new());
        parcels.facts.push(parcel(&references[3], 1, 9));
        parcels.facts.push(said("and no 千代田3-3 either", 9));
        let given = Given {
            shop: shop.owned("shop").await,
            wms: shop.owned("wms").await,
            order_a: shop.subject("A").await,
            order_e: shop.subject("E").await,
            order_n: shop.subject("N").await,
            order_w: shop.subject("W").await,
            seq: (shop.seq("shop").await, shop.seq("wms").await),
            sending,
            leased: None,
            page: page(
                9,
                vec![
                    told("A", 1, "A once more"),
                    ended("E", "E once more", "千代田3-3"),
                    order("N", 3),
                    order("Y", 1),
                    order("Z", 1),
                ],
            ),
            pushed: page(
                9,
                vec![
                    order("Z", 1),
                    order("Y", 1),
                    order("N", 1),
                    told("A", 1, "A once more"),
                ],
            ),
            read: page(9, vec![told("A", 1, "A once more"), order("N", 4)]),
            parcel: parcels,
            count: shop.counted("TEA", 4, 9),
        };
        let plain = Morning {
            shelf: Shelf::put(shop.pool(), "plain").await,
            given: Arc::new(given.clone()),
        };

        let mut cancelled = order("C", 1);
        cancelled.fact.order.state = ChannelState::Cancelled { at: at(8) };
        shop.clock(9).await;
        shop.pull("shop", &page(8, vec![cancelled])).await;
        shop.clock(10).await;
        // The clock went back and on again: leases are taken anew.
        let given = Given {
            shop: shop.owned("shop").await,
            seq: (shop.seq("shop").await, given.seq.1),
            ..given
        };
        let withdrawn = Morning {
            shelf: Shelf::put(shop.pool(), "withdrawn").await,
            given: Arc::new(given.clone()),
        };

        let given = Given {
            leased: Some(shop.claimed().await),
            ..given
        };
        let leased = Morning {
            shelf: Shelf::put(shop.pool(), "leased").await,
            given: Arc::new(given),
        };
        Self {
            plain,
            withdrawn,
            leased,
        }
    }
}
