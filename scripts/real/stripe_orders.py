"""Orders beside the customers' 20 whose cards are charged at Stripe and not in the shop: placed while the daemon is killed, and each
refunded later by an operator. Asked is Stripe's emulator itself, past the proxy that mends it."""
import random
import threading
from collections import Counter

import checks
import merchant
import stripe_checks
import stripe_proxy
from first import beginning
from shop import Shop, cents
from stripe_account import StripeAccount
from stripe_moments import Moments

EMULATOR = "http://127.0.0.1:9300"
CHANNEL = "hikiate real run, paid at Stripe"
ACCOUNT = "card-shop"
ORDERS = 6           # beside the 20; one more is placed for the kill at a capture
DONE_WITHIN = 120.0  # seconds until what must come to an end has
OWED, TAX = merchant.TITLES["receivable"], merchant.TITLES["tax"]


class Order:
    """What was ordered and how it was paid."""

    def __init__(self, placed, total, payment):
        self.id, self.email, self.total, self.payment = placed["id"], placed["email"], total, payment
        self.name = f"order #{placed['display_id']} ({self.id})"
        self.refund = 0  # minor units that were given back


class Placing(threading.Thread):
    """One customer after the other."""

    def __init__(self, cards, baskets):
        super().__init__(name="customers at Stripe", daemon=True)
        self.cards, self.baskets = cards, baskets
        self.failed = None

    def run(self):
        try:
            for basket in self.baskets:
                self.cards.place(*basket)
        except Exception as error:  # noqa: BLE001  (told by the main thread)
            self.failed = error


class StripeOrders:
    """The second sales channel of the shop, the proxy, and what both are asked."""

    def __init__(self, run, seed_file, seed):
        self.run = run
        self.shop = Shop(seed_file, CHANNEL)
        self.moments = Moments()
        self.server = stripe_proxy.serve(EMULATOR, watch=self.moments)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.checkout, self.emulator = StripeAccount(self.url), StripeAccount(EMULATOR)
        self.before = {one["id"] for one in self.emulator.transactions()}
        choose = random.Random(seed + 1).choice
        self.baskets = [(n, *choose([(1, 0), (0, 2), (1, 1), (2, 1), (1, 2)])) for n in range(1, ORDERS + 1)]
        self.placing = Placing(self, self.baskets)
        self.placed = []
        self.once = Counter()
        threading.Thread(target=self.server.serve_forever, name="stripe", daemon=True).start()

    def end(self):
        """Answers nobody any more."""
        self.server.shutdown()
        self.server.server_close()

    def begin(self):
        """No order is there yet, so that nothing has to be decided of any."""
        print(self.run.daemon.tell(*beginning(ACCOUNT)[1]), end="", flush=True)

    def place(self, n, red, blue):
        """A customer orders, and pays at Stripe; the shop keeps the name of the payment in the order."""
        placed = self.shop.place(f"{self.run.name}-p{n}@lab.test", red, blue)
        total = cents(self.shop.order(placed["id"])["total"])
        payment = self.checkout.authorise(total, "eur")
        self.shop.call(f"/admin/orders/{placed['id']}", {"metadata": {"payment_intent": payment}})
        self.placed.append(Order(placed, total, payment))

    def are_booked(self):
        """Whether all that is to be placed is, and is booked."""
        if self.placing.failed:
            raise RuntimeError(f"placing orders that are paid at Stripe failed: {self.placing.failed}")
        if self.placing.is_alive():
            return False
        ids = {order.id for order in self.placed}
        return sum(row["status"] == "booked" for row in self.run.rows() if row["external_id"] in ids) == len(ids)

    def kill_at_capture(self):
        """The daemon is killed while a capture is on its way; Stripe gets it only when the next daemon asks again."""
        run = self.run
        self.moments.arm("arrived", "/capture", run.daemon.kill)
        self.place(ORDERS + 1, 1, 2)
        self._killed("a capture that was on its way")
        if not run.soon(self.moments.asked_again, DONE_WITHIN):
            run.problems.append(f"stripe: the capture was not asked for again under its key: {self.moments.seen}")
        if not run.soon(lambda: self.are_booked() and run.daemon.ask("effect", "list") == [], DONE_WITHIN):
            run.problems.append(f"stripe: not all came to an end: {run.where()}")

    def refund(self):
        """An operator gives money back of each order: a line, an amount or everything. At the first one the daemon is killed once
        Stripe has done it and before it answers."""
        run = self.run
        books = checks.balances(run.journals())
        taxed = {order.id: checks.tax_once(self.shop.order(order.id)) for order in self.placed}
        self.moments.arm("done", "/refunds", run.daemon.kill)
        for number, order in enumerate(self.placed):
            words = self._words(order, number)
            if number == 0:
                run.say(run.daemon.tell("order", "refund", f"{ACCOUNT}/{order.id}", *words, "--dry-run").strip())
            run.daemon.tell("order", "refund", f"{ACCOUNT}/{order.id}", *words)
            if number == 0:
                self._killed("a refund that was done and not answered")
        expected = -sum(order.refund for order in self.placed)
        moved = lambda title: checks.balances(run.journals()).get(title, 0) - books.get(title, 0)
        if not run.soon(lambda: run.daemon.ask("effect", "list") == [] and moved(OWED) == expected, DONE_WITHIN):
            run.problems.append(f"stripe: refunds moved {OWED} by {moved(OWED)}, not {expected} (minor units): {run.where()}")
        self._tax_moved(moved(TAX), taxed)

    def _words(self, order, number):
        """The words of a refund, in turn, and what it must come to."""
        item = self.shop.order(order.id)["items"][0]
        if number % 3 == 0:
            order.refund = cents(item["total"])
            return ("--line", f"{item['variant_sku']}={item['detail']['quantity']}", "--reason", "came back broken")
        if number % 3 == 1:
            order.refund = 300
            return ("--amount", "3.00", "--reason", "late")
        order.refund = order.total
        return ("--all", "--reason", "never arrived")

    def _tax_moved(self, moved, taxed):
        """What is given back had its tax in it, rounded once for each order."""
        # One rate: what is left of an order is taxed like the order.
        left = {order.id: checks.tax_once(self.shop.order(order.id), order.refund) for order in self.placed}
        expected = sum(taxed[order.id] - left[order.id] for order in self.placed)
        if moved != expected:
            self.run.problems.append(f"stripe: refunds moved {TAX} by {moved}, not {expected} (minor units)")

    def captured(self):
        """What Stripe has taken since the run began, minor units."""
        return sum(one["amount"] for one in self._moved() if one["type"] == "charge")

    def judge_goods(self, maillog):
        """The goods, the mails and the shop's own payments."""
        shown = [self.shop.order(order.id) for order in self.placed]
        for order in shown:
            self.run.problems += checks.goods(order, self.run.warehouse) + checks.untouched(order)
        mailed, wrong = checks.mails(shown, maillog, f"{self.run.name}-p")
        self.run.problems += wrong
        by_status = self._statuses()
        if dict(by_status) != {"booked": len(self.placed)}:
            self.run.problems.append(f"stripe: hikiate order list: {dict(by_status)}")

    def judge_money(self):
        """What Stripe itself shows. Returns the end of the last line."""
        run = self.run
        ledger = stripe_checks.Ledger(self._moved())
        for order in self.placed:
            intent = self.emulator.intent(order.payment)
            for what, (once, wrong) in (("captured", stripe_checks.captured(order.name, intent, ledger, order.total)),
                                        ("refunded", stripe_checks.refunded(order.name, intent, ledger, order.refund))):
                self.once[what] += once
                run.problems += wrong
            tasks = run.tasks_of(order.id)
            if tasks:
                run.problems.append(f"{order.name}: tasks {[(task['kind'], task['detail']) for task in tasks]}")
        run.problems += ledger.unexplained()
        run.problems += stripe_checks.keys({order.payment: order.name for order in self.placed}, self.moments.seen)

    def line(self):
        """The end of the run's last line."""
        return f"stripe_orders={len(self.placed)} stripe_captured_once={self.once['captured']} stripe_refunded_once={self.once['refunded']}"

    def _moved(self):
        return [one for one in self.emulator.transactions() if one["id"] not in self.before]

    def _killed(self, when):
        run = self.run

        def kill():
            if not self.moments.strike():
                run.problems.append(f"stripe: {when} never came, so the daemon was killed at no moment: {run.where()}")
                run.daemon.kill()
            run.say(f"kill -9 at {when}")
        run.killed(kill, run.planned.pause())

    def _statuses(self):
        ids = {order.id for order in self.placed}
        return Counter(row["status"] for row in self.run.rows() if row["external_id"] in ids)
