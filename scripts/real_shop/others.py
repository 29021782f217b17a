"""The shop's other orders: nothing may be written to them."""
from orders import MARK, meta

LOOK_AT = 50  # of those that changed meanwhile, at the most
LATEST = 100  # of those that were there before


class Others:
    """Orders of others as they were when the run began, and those that came or changed since."""

    def __init__(self, orders):
        self.orders, self.woo = orders, orders.woo
        latest = self.woo.get("orders", per_page=LATEST, orderby="modified", order="desc")
        self.before = {order["id"]: order["date_modified_gmt"] for order in latest}

    def judge(self, run, since):
        """What is wrong. An order that has changed was changed by others, unless it has a mark of hikiate's or hikiate meant to."""
        ours = {int(own.id) for own in self.orders.own}
        now = self.woo.all("orders", modified_after=since, dates_are_gmt="true", orderby="modified", order="asc")
        found = [order for order in now if order["id"] not in ours and all(one["key"] != MARK for one in order["meta_data"])]
        changed = [order for order in found if self.before.get(order["id"]) != order["date_modified_gmt"]]
        wrong = []
        for order in changed[:LOOK_AT]:
            wrong += [f"order #{order['number']} of another customer: {words}" for words in self._marks(order)]
        if len(changed) > LOOK_AT:
            wrong.append(f"{len(changed) - LOOK_AT} changed orders of other customers were not looked at: run it when the shop is quieter")
        wrong += [f"order {row['number']} of another customer: hikiate meant to call: {key}" for row, key in self._intents(run, ours)]
        known = [row for row in run.rows() if int(row["external_id"]) not in ours]
        waiting = sorted({str(row["blocked_by"]) for row in known})
        run.say(f"other orders of the shop: {len(self.before)} of the latest {LATEST} are known from before, {len(changed)} came or were changed by others meanwhile; "
                f"hikiate read {len(known)} ({', '.join(waiting) or 'none'}) and wrote to none" if not wrong else "other orders were written to")
        return wrong

    def _marks(self, order):
        told = [f"has the key {key}" for key in meta(order) if "hikiate" in key]
        told += [f"fulfilment {one['id']} is hikiate's" for one in self.orders.fulfilments(order["id"]) or [] if any("hikiate" in k for k in meta(one))]
        told += ["has a note of hikiate's" for note in self.orders.notes(order["id"]) if "[HK" in note]
        if order["refunds"]:
            told += [f"refund {one['id']} is hikiate's" for one in self.orders.refunds(order["id"]) if any("hikiate" in k for k in meta(one))]
        return told

    @staticmethod
    def _intents(run, ours):
        for row in run.rows():
            if int(row["external_id"]) in ours:
                continue
            shown = run.daemon.ask("order", "show", row["number"]) or {}
            for fact in shown.get("facts", []):
                if fact["class"] == "intent":
                    yield row, fact["key"]
