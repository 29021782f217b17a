"""Staff of the shop act by hand on orders beside the customers' 20, and everybody is asked what came of it."""
import time
from decimal import Decimal

from backoffice import Backoffice
from shop import cents

RED, BLUE = "MUG-RED", "MUG-BLUE"
SEEN_WITHIN = 240.0   # seconds until an order that is gone must be a task: two looks, a settle apart
DONE_WITHIN = 120.0   # seconds until what must come to an end has

# Name, red and blue mugs, and the status and number of tasks that the order must rest with.
ACTS = {
    "by-hand": (1, 2, "booked", 0),
    "part-by-hand": (2, 1, "booked", 0),
    "moved": (1, 1, "booked", 1),
    # One of what left beyond the order, one of what nobody has paid since the edit voided the payment.
    "lowered": (2, 1, None, 2),
    "cancelled": (1, 0, None, 1),
    "completed": (2, 0, "booked", 0),
    "deleted": (0, 1, None, 1),
}


class Staff:
    """One order per act."""

    def __init__(self, run):
        self.run, self.shop, self.warehouse = run, run.shop, run.warehouse
        self.office = Backoffice(run.shop)
        self.placed = {}
        self.wrong = []

    def play(self):
        """From the first order to the last thing that staff do."""
        run = self.run
        self.warehouse.keep_back()
        run.rest()
        for act in ("by-hand", "part-by-hand"):
            self._place(act)
        self.office.ship_by_hand(self._id("by-hand"), {RED, BLUE}, "BYHAND1")
        self.office.ship_by_hand(self._id("part-by-hand"), {RED}, "BYHAND2")
        run.wake()
        later = [act for act in ACTS if act not in self.placed]
        for act in later:
            self._place(act)
        told = [*later, "part-by-hand"]
        if not run.soon(lambda: all(self.warehouse.references(self._display(act)) for act in told), DONE_WITHIN):
            self.wrong.append(f"instructed are only {[act for act in told if self.warehouse.references(self._display(act))]} of {told}")
        run.say("staff edit, complete and delete what the warehouse has been told")
        self.office.delete(self._id("deleted"))
        self.office.move_to(self._id("moved"), "Neue Str. 9")
        self.office.lower(self._id("lowered"), RED, 1)
        self.office.complete(self._id("completed"))
        # Read while the goods are still there.
        run.soon(lambda: self._tasks("moved") and self._tasks("lowered"), 30.0)
        if not run.soon(lambda: self._tasks("deleted"), SEEN_WITHIN):
            self.wrong.append("deleted: no task says that the order is gone")
        late = self._display("cancelled")
        self.warehouse.say_nothing_of(late)
        self.warehouse.let_go()
        gone = [ref for act in told if act != "cancelled" for ref in self.warehouse.references(self._display(act))]
        self._must("all", run.soon(lambda: all(ref in self.warehouse.shipped for ref in gone), 60.0),
                   "the warehouse did not ship what it was told")
        self.office.cancel(self._id("cancelled"))
        run.say("the goods have left, one order is cancelled in the shop, and nobody has told it of its goods yet")
        asked = run.soon(lambda: self.warehouse.asked >= set(self.warehouse.references(late)), 60.0)
        self._must("cancelled", asked, "the warehouse was not asked to stop it")
        self.warehouse.report(late)
        run.soon(self._is_over, DONE_WITHIN)

    def judge(self):
        """Asks the shop, the warehouse, the mail server and hikiate. What is wrong ends in `wrong`."""
        for act, (red, blue, status, tasks) in ACTS.items():
            if act not in self.placed:
                self._must(act, False, "was never placed")
                continue
            self._must(act, status is None or self._status(act) == status, f"is {self._status(act)}, not {status}")
            seen = self._tasks(act)
            self._must(act, len(seen) == tasks, f"has {len(seen)} tasks, not {tasks}: {[(t['kind'], t['detail']) for t in seen]}")
            ordered = {sku: n for sku, n in ((RED, red), (BLUE, blue)) if n}
            self._goods(act, ordered)
            if act != "deleted":
                self._money(act, self.shop.order(self._id(act)))
        self._deleted_and_back()
        return len(ACTS), self.wrong

    def _goods(self, act, ordered):
        """What the warehouse was told, and what the shop shows as shipped, by whom."""
        told = self.warehouse.lines(self._display(act))
        rest = {"by-hand": [], "part-by-hand": [{BLUE: 1}]}
        expected = rest.get(act, [ordered])
        self._must(act, told == expected, f"the warehouse was told {told}, not {expected}")
        if act == "deleted":
            return
        order = self.shop.order(self._id(act))
        stand = [f for f in order["fulfillments"] if not f.get("canceled_at")]
        numbers = sorted(label["tracking_number"] for f in stand if f.get("shipped_at") for label in f["labels"])
        left = [self.warehouse.shipped.get(reference) for reference in self.warehouse.references(self._display(act))]
        by_hand = {"by-hand": ["BYHAND1"], "part-by-hand": ["BYHAND2"]}.get(act, [])
        if act == "cancelled":
            self._must(act, all(left), "its goods were never reported")
            self._must(act, order["status"] == "canceled" and not order["fulfillments"], f"{order['status']} with {numbers}")
        elif act == "lowered":
            for item in order["items"]:
                detail = item["detail"]
                self._must(act, detail["fulfilled_quantity"] <= detail["quantity"], f"{item['variant_sku']}: more told than ordered")
        else:
            self._must(act, numbers == sorted([*by_hand, *left]), f"the shop shows {numbers}, left have {[*by_hand, *left]}")
            shipped = all(item["detail"]["shipped_quantity"] == item["detail"]["quantity"] for item in order["items"])
            self._must(act, shipped and len(stand) == len(numbers), "not all of it is shipped, or something is only packed")

    def _money(self, act, order):
        captures = [Decimal(c["amount"]) for pc in order["payment_collections"] for p in pc["payments"] for c in p["captures"]]
        refunds = [r for pc in order["payment_collections"] for p in pc["payments"] for r in p["refunds"]]
        owed = 0 if act in ("cancelled", "lowered") else cents(order["total"])
        self._must(act, sum(cents(c) for c in captures) == owed, f"captured {captures}, owed are {owed} cents")
        self._must(act, not refunds, "was refunded")
        most = 2 if act == "part-by-hand" else 1
        self._must(act, len(captures) <= most, f"{len(captures)} captures")
        mails = self.run.mails_to(self._email(act))
        # What more left than was ordered says nothing about the mail.
        wanted = {"by-hand": (0,), "cancelled": (0,), "lowered": (0, 1)}.get(act, (1,))
        self._must(act, mails in wanted, f"{mails} mails")

    def _deleted_and_back(self):
        """While it is gone nothing more is done for it; back again it is an order like any other."""
        act = "deleted"
        if act not in self.placed:
            return
        payment = self.placed[act]["payment"]
        self._must(act, not self.office.captures(payment), "was captured while it was gone")
        self._must(act, not self.office.fulfilments_of_deleted(self._id(act)), "was told as fulfilled while it was gone")
        self._must(act, self.run.mails_to(self._email(act)) == 0, "a mail was sent while it was gone")
        self.office.restore(self._id(act))
        if not self.run.soon(lambda: self._status(act) == "booked" and not self._tasks(act), DONE_WITHIN):
            self._must(act, False, f"back in the shop, but {self._status(act)} with {len(self._tasks(act))} tasks")
        order = self.shop.order(self._id(act))
        captures = [c for pc in order["payment_collections"] for p in pc["payments"] for c in p["captures"]]
        self._must(act, len(captures) == 1, f"{len(captures)} captures after it came back")
        told = [label["tracking_number"] for f in order["fulfillments"] if f.get("shipped_at") for label in f["labels"]]
        left = [self.warehouse.shipped.get(reference) for reference in self.warehouse.references(self._display(act))]
        self._must(act, told == left, f"the shop shows {told}, left have {left}")

    def _is_over(self):
        statuses = self._rows()
        ends = all(status is None or statuses.get(self._id(act)) == status for act, (_, _, status, _) in ACTS.items())
        return ends and not self.run.daemon.ask("effect", "list")

    def _place(self, act):
        red, blue, _, _ = ACTS[act]
        order = self.shop.place(self._email(act), red, blue)
        shown = self.shop.order(order["id"])
        payment = shown["payment_collections"][0]["payments"][0]["id"]
        self.placed[act] = {"id": order["id"], "display": f"#{shown['display_id']}", "payment": payment}

    def _email(self, act):
        return f"{self.run.name}-s-{act}@lab.test"

    def _id(self, act):
        return self.placed[act]["id"]

    def _display(self, act):
        return self.placed[act]["display"]

    def _rows(self):
        rows = self.run.daemon.ask("order", "list", "--limit", "200") or []
        return {row["external_id"]: row["status"] for row in rows}

    def _status(self, act):
        return self._rows().get(self._id(act))

    def _tasks(self, act):
        return self.run.tasks_of(self._id(act))

    def _must(self, act, condition, words):
        if not condition:
            self.wrong.append(f"staff, {act}: {words}")
