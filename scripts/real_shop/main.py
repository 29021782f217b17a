"""N orders of its own through a WooCommerce shop given by URL, with people who act on some and the daemon killed twice.
See docs/real-run.md."""
import argparse
import os
import random
import secrets
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orders
import terms
from folder import Folder
from judge import Judge
from orders import Orders
from others import Others
from people import People
from running import BEGAN, Running, conduct
from warehouse import Warehouse
from woo import Refused, Woo

COUNTS = ("shipped", "refunded", "edited", "cancelled", "by_hand")
AHEAD = 60.0    # seconds that the shop's clock may be ahead of this machine's
SETTLED = 40.0  # seconds until the last journal has what was decided last


class Run(Running):
    """Everything one run starts."""

    word = "real-shop"

    def __init__(self, binary, woo, key, secret, count, seed, deadline):
        super().__init__(binary, deadline)
        self.woo, self.key, self.secret, self.count = woo, key, secret, count
        self.random = random.Random(seed)
        self.seed = seed
        self.name = f"hkt-{secrets.token_hex(4)}"
        self.orders = Orders(woo, self.name, self.folder)
        self.people = People(self)
        self.right, self.twice, self.silent = {}, [], []

    def carry(self):
        """From the first order to the last entry in the books."""
        self.say(f"run {self.name}, seed {self.seed}, {self.count} orders at {self.woo.url}, files in {self.folder}")
        self.say(f"the shop has {self.woo.count('orders')} orders")
        others = Others(self.orders)
        self.orders.make(self.count)
        first, last = self.orders.own[0].made, self.orders.own[-1].made
        self.say(f"orders {self.orders.own[0].display} to {self.orders.own[-1].display} are made and paid, in {first['currency']}")
        self.prepare(first)
        self.daemon.start()
        self.warehouse.put_stock({self.orders.sku(letter): 100 * self.count for letter in orders.PRICES})
        self.wait("the stock count to be read", lambda: len(self.daemon.ask("stock", "show") or []) == len(orders.PRICES))
        self.warehouse.start()
        self.wait("every order to be known", lambda: {own.id for own in self.orders.own} <= {row["external_id"] for row in self.rows()})
        self.begin(last)
        self.act()
        self.kill_while_goods_leave()
        self.kill_while_money_is_recorded()
        if not self.soon(self.is_over, 300.0):
            self.problems.append(f"not all came to an end: {self.where()}")
        self.judge(others, first["date_modified_gmt"])

    def prepare(self, first):
        """The configuration, as the shop itself says what it needs."""
        try:
            zone = self.woo.index().get("timezone_string") or "UTC"
            ZoneInfo(zone)
        except (Refused, ZoneInfoNotFoundError, ValueError):
            zone = "UTC"
        warehouse = Warehouse(Folder(self.folder), "depot", zone, self.seed)
        untaxed = not any(own.made["tax_lines"] for own in self.orders.own)
        config = terms.write(
            self.folder, self.woo, self.key, self.secret, run=self.name, skus=[self.orders.sku(letter) for letter in orders.PRICES],
            since=first["date_modified_gmt"] + "+00:00", zone=zone, currency=first["currency"], untaxed=untaxed)
        self.equip(config, warehouse)
        print(self.daemon.tell("check"), end="", flush=True)

    def begin(self, last):
        """Nothing was written so far. From now on hikiate acts on the run's own orders, each named, and on no older one."""
        touched = [own.name for own in self.orders.own if self.orders.shown(own.id)["date_modified_gmt"] != own.made["date_modified_gmt"]]
        if touched:
            self.problems.append(f"before begin, orders were written to: {touched}")
        start = datetime.fromisoformat(last["date_created_gmt"]).replace(tzinfo=UTC) + timedelta(seconds=1)
        ahead = (start - datetime.now(UTC)).total_seconds()
        if ahead > AHEAD:
            raise RuntimeError(f"the shop's clock is {ahead:.0f} s ahead of this machine's")
        time.sleep(max(0.0, ahead))
        stop = self.daemon.ask("stop-shipping", "--warehouse", "depot", "--reason", "people act first")
        if stop is None:
            raise RuntimeError("hikiate stop-shipping failed")
        self.stop = str(stop["stop"])
        named = [word for own in self.orders.own for word in ("--adopt", f"shop/{own.id}")]
        since = start.strftime("%Y-%m-%dT%H:%M:%SZ")
        print(self.daemon.tell("begin", "shop", "--from", since, *named, "--yes", "--reason", "the run begins"), end="", flush=True)

    def act(self):
        """People act on orders that no warehouse was told yet; then the goods may go."""
        self.wait("the ledger of the edited order", lambda: self.people.charged() is not None)
        charged = self.people.charged()
        self.people.edit()
        self.people.ship_by_hand()
        self.people.cancel()
        self.wait("hikiate to know what people did", lambda: self.people.are_seen(charged), pause=1.0)
        if self.warehouse.told:
            self.problems.append(f"while shipping was stopped, the warehouse was told {list(self.warehouse.told)}")
        # Every second order's goods are reported only after the refund.
        self.silent = [own.display for own in self.orders.own[len(orders.ROLES)::2]]
        for display in self.silent:
            self.warehouse.say_nothing_of(display)
        self.daemon.tell("stop-shipping", "lift", self.stop, "--reason", "people are done")
        self.say("one order is edited, one cancelled, one shipped by hand; the others may be shipped")

    def kill_while_goods_leave(self):
        self.wait("the first goods to leave", lambda: self.warehouse.shipped, pause=0.1)
        self.killed(lambda: self._kill_within(3.0), self.random.uniform(0.2, 1.5))

    def kill_while_money_is_recorded(self):
        refunded = self.orders.of("refunded")
        self.wait("the order to be refunded to be shipped", lambda: self._is_told(refunded), pause=2.0)
        try:
            self.people.refund()
        except RuntimeError as error:
            self.problems.append(f"{refunded.name}: {error}")
        for display in self.silent:
            self.warehouse.report(display)
        self.killed(lambda: self._kill_within(4.0), self.random.uniform(0.2, 1.5))

    def _kill_within(self, seconds):
        delay = self.random.uniform(0.0, seconds)
        time.sleep(delay)
        self.daemon.kill()
        self.say(f"kill -9 number {self.kills + 1}, {delay:.3f} s later: {len(self.warehouse.told)} instructed, {len(self.warehouse.shipped)} shipped")

    def _is_told(self, own):
        numbers = [self.warehouse.shipped.get(reference) for reference in self.warehouse.references(own.display)]
        return bool(numbers) and all(number and any(self.orders.reports(own.id, number)) for number in numbers)

    def is_over(self):
        """Each order rests, and nothing is queued."""
        rows = {row["external_id"]: row["status"] for row in self.rows()}
        rest = all(rows.get(own.id) == ("cancelled" if own.role == "cancelled" else "booked") for own in self.orders.own)
        if not rest or self.daemon.ask("effect", "list") != []:
            return False
        return bool(self.problems) or bool(self.orders.shown(self.orders.of("refunded").id)["refunds"])

    def judge(self, others, since):
        """Asks everybody what became of the orders."""
        judge = Judge(self)
        # The refund goes into the journal after the one of the goods.
        self.soon(lambda: not judge.books(), SETTLED)
        for own in self.orders.own:
            judge.order(own)
        judge.wrong += judge.books()
        if shutil.which("hledger"):
            judge.wrong += judge.hledger()
        judge.wrong += others.judge(self, since)
        self.warehouse.stop()
        self.warehouse.recheck()
        judge.wrong += self.warehouse.problems
        judge.twice += [f"the warehouse was told twice: {line}" for line in self.warehouse.twice()]
        if self.kills != 2:
            judge.wrong.append(f"{self.kills} kills, not 2")
        self.right, self.twice = judge.right, judge.twice
        self.problems += judge.twice + judge.wrong
        self.say(f"{len(self.warehouse.told)} shipments in {len(self.warehouse.files)} files, {len(self.journals())} journals, {self.kills} kills")

    def end(self):
        super().end()
        for name in ("woo-key", "woo-secret"):
            (self.folder / name).unlink(missing_ok=True)

    def clean(self):
        """After a good run nothing is kept here, and nothing of it in the shop."""
        self.orders.remove()
        super().clean()

    def line(self):
        counts = " ".join(f"{name}={self.right.get(name, 0)}" for name in COUNTS)
        wrong = len(self.problems) - len(self.twice)
        return f"{self.word}: kind=woocommerce orders={self.right.get('orders', 0)} {counts} twice={len(self.twice)} wrong={wrong}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", type=Path)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--limit", type=float, default=450.0, help="seconds until the run gives up")
    parser.add_argument("--remove", type=Path, metavar="FOLDER", help="only remove from the shop what the run of FOLDER has left there")
    chosen = parser.parse_args()
    # The daemon reads them from files; whatever else is started gets none.
    url, key, secret = (os.environ.pop(name, "") for name in ("URL", "KEY", "SECRET"))
    for name in ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES"):
        os.environ.pop(name, None)
    try:
        woo = Woo(url, key, secret)
        if chosen.remove:
            print("real-shop: removed %d orders and %d products" % orders.remove(woo, chosen.remove), flush=True)
            return 0
    except (RuntimeError, OSError) as error:
        print(f"real-shop: {error}", file=sys.stderr)
        return 2
    seed = secrets.randbelow(10**6) if chosen.seed is None else chosen.seed
    make = lambda: Run(chosen.binary.resolve(), woo, key, secret, chosen.orders, seed, BEGAN + chosen.limit)
    hint = f" with seed {seed}; its orders and products stay in the shop until REMOVE=FOLDER is given beside URL, KEY and SECRET"
    return conduct(Run.word, make, hint)


if __name__ == "__main__":
    sys.exit(main())
