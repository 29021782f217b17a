"""Staff give money back of two orders, before and after they ship, and the books are compared with what the shop says."""
import checks
import merchant
from backoffice import Backoffice
from shop import cents

# Name, red and blue mugs, and what is given back.
ORDERS = {"refunded-before": (2, 1, "3.00"), "refunded-after": (1, 1, "5.00")}
DONE_WITHIN = 120.0   # seconds until what must come to an end has


class Refunds:
    """One order per moment."""

    def __init__(self, run):
        self.run, self.shop, self.warehouse = run, run.shop, run.warehouse
        self.office = Backoffice(run.shop)
        self.placed, self.wrong = {}, []

    def play(self):
        """From the first order to the last entry in the books."""
        run = self.run
        before = checks.balances(self.run.journals())
        self.warehouse.keep_back()
        for name, (red, blue, _) in ORDERS.items():
            order = self.shop.place(f"{run.name}-r-{name}@lab.test", red, blue)
            self.placed[name] = order["id"]
        shown = self.shop.order(self.placed["refunded-before"])
        self.office.capture(shown)
        self.office.refund(self.shop.order(shown["id"]), ORDERS["refunded-before"][2])
        displays = [f"#{self.shop.order(order)['display_id']}" for order in self.placed.values()]
        self._must(run.soon(lambda: all(self.warehouse.references(display) for display in displays), DONE_WITHIN),
                   "a partial refund kept an order back from the warehouse")
        run.say("money of one order is given back before it ships")
        self.warehouse.let_go()
        self._must(run.soon(self._is_booked, DONE_WITHIN), f"not booked: {self._statuses()}, tasks {self._tasks()}")
        # An order may be booked before its capture is answered, and the shop refunds only what was captured.
        captured = lambda: checks.paid(self.shop.order(self.placed["refunded-after"]))[0]
        self._must(run.soon(captured, DONE_WITHIN), "refunded-after was never captured")
        after = self.shop.order(self.placed["refunded-after"])
        self.office.refund(after, ORDERS["refunded-after"][2])
        run.say("money of the other is given back after it was booked")
        # The refund is read again and goes into the next journal.
        expected = self._expected()
        self._must(run.soon(lambda: self._moved(before) == expected, DONE_WITHIN),
                   f"the books moved by {self._moved(before)}, by Medusa {expected} (minor units)")
        self.wrong += checks.balanced(self.run.journals())
        for name, order in self.placed.items():
            seen = run.tasks_of(order)
            self._must(not seen, f"{name} has tasks: {[(t['kind'], t['detail']) for t in seen]}")
            shown = self.shop.order(order)
            captured, refunded = checks.paid(shown)
            self._must(captured - refunded == cents(shown["total"]), f"{name}: {captured} captured, {refunded} given back, {shown['total']} charged")
        return len(ORDERS), self.wrong

    def _expected(self):
        """What receivable and tax must move by: charges after credits, taxed once."""
        receivable = tax = 0
        for order in self.placed.values():
            shown = self.shop.order(order)
            receivable += cents(shown["total"])
            tax += checks.tax_once(shown)
        return {merchant.TITLES["receivable"]: receivable, merchant.TITLES["tax"]: -tax}

    def _moved(self, before):
        now = checks.balances(self.run.journals())
        return {title: now.get(title, 0) - before.get(title, 0)
                for title in (merchant.TITLES["receivable"], merchant.TITLES["tax"])}

    def _statuses(self):
        return {row["external_id"]: row["status"] for row in self.run.rows() if row["external_id"] in self.placed.values()}

    def _is_booked(self):
        statuses = self._statuses()
        return len(statuses) == len(ORDERS) and set(statuses.values()) == {"booked"}

    def _tasks(self):
        return [task["kind"] for order in self.placed.values() for task in self.run.tasks_of(order)]

    def _must(self, condition, words):
        if not condition:
            self.wrong.append(f"refunds: {words}")
