//! Several reads at once.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A future and what came of it.
type Running<F> = (Pin<Box<F>>, Option<<F as Future>::Output>);

/// Waits for all of them within this very task, so that they keep its urgency; answers come in the order of the futures.
pub(super) async fn together<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut open: Vec<Running<F>> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        let mut waits = false;
        for (future, output) in open.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(ready) => *output = Some(ready),
                Poll::Pending => waits = true,
            }
        }
        if waits {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    open.into_iter().filter_map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_come_in_order_whoever_is_first() {
        let late = async |n: u32| {
            for _ in 0..n {
                tokio::task::yield_now().await;
            }
            n
        };
        assert_eq!(together([3, 0, 2].into_iter().map(late)).await, [3, 0, 2]);
        assert!(
            together(std::iter::empty::<std::future::Ready<()>>())
                .await
                .is_empty()
        );
    }
}
