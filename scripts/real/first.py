"""The first start on a shop with open orders: it looks and touches nothing until somebody says from when on it may."""
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

OLD = 20
LOOK_FOR = 15.0  # seconds in which a program that did not only look would have written


def beginning(channel):
    """The time from which the channel's orders are hikiate's, and the command that says so."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return now, ["begin", channel, "--from", now, "--reason", "the run begins"]


class FirstStart:
    """Orders that were there before `hikiate begin`, and what the shop shows of them."""

    def __init__(self, run):
        self.run, self.shop = run, run.shop
        self.old = {}

    def play(self):
        """From the old orders to the beginning."""
        run = self.run
        with ThreadPoolExecutor(max_workers=2) as customers:
            placed = list(customers.map(lambda n: self.shop.place(f"{run.name}-o{n}@lab.test", 1, 1), range(OLD)))
        self.old = {order["id"]: self._shown(order["id"]) for order in placed}
        run.wait("the old orders to be known", lambda: self.old.keys() <= {row["external_id"] for row in run.rows()})
        run.soon(lambda: False, LOOK_FOR)
        self.judge("before begin")
        if run.warehouse.files or run.mailed("-") or run.journals():
            run.problems.append("before begin: a file was sent, a mail, or a journal")
        now, begin = beginning("shop")
        print(run.daemon.tell(*begin, "--dry-run"), end="", flush=True)
        # The old orders were placed today and stay behind, which has to be confirmed.
        print(run.daemon.tell(*begin, "--yes"), end="", flush=True)
        run.say(f"{OLD} old orders were read and left alone; the shop begins with what is ordered from {now} on")

    def judge(self, when):
        """Nothing may have touched the old orders, whatever was done for others."""
        touched = [order for order, before in self.old.items() if self._shown(order) != before]
        if touched:
            self.run.problems.append(f"{when}: {len(touched)} old orders were written to, {touched[:3]}")
        told = [row["external_id"] for row in self.run.rows() if row["external_id"] in self.old and row["status"] == "booked"]
        if told:
            self.run.problems.append(f"{when}: {len(told)} old orders are booked")

    def _shown(self, order):
        shown = self.shop.order(order)
        captures = [c for pc in shown["payment_collections"] for p in pc["payments"] for c in p["captures"]]
        return (shown["status"], shown["version"], shown["updated_at"], len(shown["fulfillments"]), len(captures), shown["total"])
