//! What operators told of parcels, and what of it has to be put right elsewhere.

use super::tasks::Tasks;
use super::view::View;

/// Goods that came back.
pub(crate) fn tasks(view: &View<'_>, tasks: &mut Tasks) {
    for (id, returned) in &view.fold.returned {
        let items = returned
            .lines
            .iter()
            .fold(0_u32, |sum, line| sum.saturating_add(line.quantity));
        let what = format!(
            "{items} returned units of {} were recorded. Refund or ship again by hand. Stock follows the warehouse's count",
            returned.reference
        );
        tasks.tell(view, "return_received", *id, &what);
    }
}
