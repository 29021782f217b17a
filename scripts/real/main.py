"""20 orders from a real shop to a balanced journal, with the daemon killed three times on the way, others that are paid at Stripe, and
staff who act on others by hand. See docs/real-run.md."""
import argparse
import json
import random
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import checks
import merchant
from first import FirstStart
from kills import Kills
from maillog import MailLog
from refunds import Refunds
from running import BEGAN, Running, conduct
from sftp import Sftp
from shop import Shop
from staff import Staff
from stripe_orders import StripeOrders
from warehouse import Warehouse

ORDERS = 20
SFTP_PORT, SFTP_USER, SMTP_PORT = 9822, "tpl", 9825
LOOK_AFTER = 3.0  # seconds until a person looks: a mail the server was still taking is in its log by then


class Placing(threading.Thread):
    """Two customers at a time."""

    def __init__(self, shop, run, seed):
        super().__init__(name="customers", daemon=True)
        self.shop = shop
        choose = random.Random(seed).choice
        self.baskets = [(f"{run}-c{n}@lab.test", *choose([(1, 0), (0, 2), (1, 1), (2, 1), (3, 1), (2, 3)])) for n in range(1, ORDERS + 1)]
        self.placed, self.failed = [], None
        self.over = threading.Event()  # nobody orders any more

    def run(self):
        def place(basket):
            if not self.over.is_set():
                self.placed.append(self.shop.place(*basket))
        try:
            with ThreadPoolExecutor(max_workers=2) as customers:
                list(customers.map(place, self.baskets))
        except Exception as error:  # noqa: BLE001  (told by the main thread)
            self.failed = error


class Run(Running):
    """Everything one run starts."""

    def __init__(self, lab, binary, seed, deadline):
        super().__init__(binary, deadline)
        self.lab, self.seed = lab, seed
        self.name = f"real-{secrets.token_hex(4)}"
        self.since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        seed_file = json.loads((lab / "medusa/seed.json").read_text())
        self.shop = Shop(seed_file)
        self.stripe = StripeOrders(self, seed_file, seed)
        self.maillog = MailLog(lab / "log/smtp.log")
        keys = lab / "infra/sftp"
        known_hosts, host_key = self.folder / "known_hosts", (keys / "hk.pub").read_text()
        known_hosts.write_text(f"[127.0.0.1]:{SFTP_PORT} {' '.join(host_key.split()[:2])}\n")
        printed = subprocess.run(["ssh-keygen", "-lf", keys / "hk.pub"], capture_output=True, text=True, check=True).stdout
        scratch = self.folder / "warehouse"
        scratch.mkdir()
        self.sftp = Sftp(SFTP_PORT, SFTP_USER, keys / "id", known_hosts, scratch)
        config = merchant.write(
            self.folder, self.shop.seed, sales_channel=self.shop.channel, card_channel=self.stripe.shop.channel, stripe=self.stripe.url,
            since=self.since, sftp_port=SFTP_PORT, sftp_user=SFTP_USER, sftp_key=keys / "id", fingerprint=printed.split()[1],
            root=self.name, smtp_port=SMTP_PORT)
        self.equip(config, Warehouse(self.sftp, self.name, merchant.ZONE, seed))
        self.placing = Placing(self.shop, self.name, seed)
        self.planned = Kills(seed)
        self.first = FirstStart(self)
        self.staff = Staff(self)
        self.refunds = Refunds(self)
        self.unresolved = {}  # effect id -> when it was first seen
        self.resolved = Counter()
        self.counts = None

    def carry(self):
        """From the first order to the last booking."""
        self.say(f"seed {self.seed}, files in {self.folder}, sftp folder {self.name}, orders since {self.since}")
        print(self.daemon.tell("check"), end="", flush=True)
        self.daemon.start()
        self.warehouse.put_stock({"MUG-RED": 500, "MUG-BLUE": 500})
        self.wait("the stock count to be read", lambda: len(self.daemon.ask("stock", "show") or []) == 2)
        self.warehouse.start()
        self.first.play()
        self.stripe.begin()
        self.placing.start()
        self.stripe.placing.start()
        while not self.planned.is_over():
            self.wait("orders to be placed", lambda: self.planned.is_due(len(self.placing.placed)), pause=0.02)
            self.killed(self.kill, self.planned.pause())
        self.say("the last kill is over; waiting for every order to be booked")
        self.wait("every order to be booked", self.all_booked, pause=1.0)
        counts = self.judge()
        self.say("the last order that is paid at Stripe, and money back of each")
        self.stripe.kill_at_capture()
        self.stripe.judge_goods(self.maillog)
        self.stripe.refund()
        self.say("staff act on other orders by hand")
        self.staff.play()
        acts, wrong = self.staff.judge()
        refunds, wrong_money = self.refunds.play()
        wrong += wrong_money
        self.problems += wrong
        self.stripe.judge_money()
        self.finish()
        self.counts = f"{counts} staff={acts + refunds}"

    def line(self):
        """The last line, once all was judged."""
        return self.counts and f"real: {self.counts} wrong={len(self.problems)} {self.stripe.line()}"

    def look(self):
        if self.placing.failed:
            raise RuntimeError(f"placing orders failed: {self.placing.failed}")
        super().look()

    def soon(self, condition, seconds):
        def looked_after():
            self.resolve_mails()
            return condition()
        return super().soon(looked_after, seconds)

    def kill(self):
        moment = self.planned.carry_out(self.daemon, self.maillog, self.open_orders)
        self.say(f"kill -9 number {self.planned.done}: {moment}; {len(self.placing.placed)} placed, {len(self.warehouse.told)} instructed, "
                 f"{len(self.warehouse.shipped)} shipped, {self.mailed()} mailed")

    def all_booked(self):
        self.resolve_mails()
        ours = {order["id"] for order in self.placing.placed}
        booked = sum(row["status"] == "booked" for row in self.rows() if row["external_id"] in ours)
        return booked >= ORDERS and self.stripe.are_booked() and not self.unresolved and not self.daemon.ask("effect", "list")

    def resolve_mails(self):
        """As a person does: looks for the Message-ID in the mail server's log and types what is there."""
        now, seen = time.monotonic(), {}
        for row in self.daemon.ask("effect", "list") or []:
            if row["state"] != "unresolved" or row["op"] != "mail":
                continue
            since = self.unresolved.get(row["id"], now)
            if now - since < LOOK_AFTER:
                seen[row["id"]] = since
                continue
            message_id = "<" + row["label"].partition("<")[2]
            verdict = "done" if message_id in [m for m, _ in self.maillog.mails()] else "not-done"
            self.daemon.tell("effect", "resolve", str(row["id"]), verdict, "--reason", f"mail log: {message_id}")
            self.resolved[verdict] += 1
            self.say(f"mail {message_id} of {row['subject']} was unknown: {verdict} by the mail log")
        self.unresolved = seen

    def mailed(self, whose="-c"):
        return len({to for _, to in self.maillog.mails() if to.startswith(self.name + whose)})

    def mails_to(self, address):
        return sum(to == address for _, to in self.maillog.mails())

    def open_orders(self):
        return len(self.placing.placed) - self.mailed()

    def rest(self):
        """Stops the daemon as an operator does."""
        status = self.daemon.stop()
        if status != 0:
            self.problems.append(f"stopped while staff act, the daemon's exit: {status}")

    def judge(self):
        """Asks everybody what became of the customers' orders; returns what the last line says of them."""
        orders = [order for order in self.shop.orders_since(self.since) if order["email"].startswith(self.name + "-c")]
        ours = {order["id"] for order in orders}
        rows = [row for row in self.rows() if row["external_id"] in ours]
        self.problems += [f"task left open: {task}" for task in self.daemon.ask("tasks")]
        if {o["id"] for o in orders} != {o["id"] for o in self.placing.placed}:
            self.problems.append(f"Medusa has {len(orders)} orders of this run, {len(self.placing.placed)} were placed")
        by_status = Counter(row["status"] for row in rows)
        if dict(by_status) != {"booked": ORDERS}:
            self.problems.append(f"hikiate order list: {dict(by_status)}")
        once = 0
        for order in orders:
            good, wrong = checks.in_medusa(order, self.warehouse)
            once += good
            self.problems += wrong
        mailed, wrong = checks.mails(orders, self.maillog, self.name + "-c")
        self.problems += wrong
        stripe_orders = [self.stripe.shop.order(order.id) for order in self.stripe.placed]
        captured = sum(checks.paid(order)[0] for order in orders) + self.stripe.captured()
        journal = checks.journal(orders + stripe_orders, captured, self.journals())
        self.problems += journal
        self.say(f"{len(self.warehouse.told)} shipments in {len(self.warehouse.files)} files, {sum(self.resolved.values())} mails resolved "
                 f"by hand ({dict(self.resolved)})")
        return (f"orders={len(orders)} booked={by_status['booked']} captured_once={once} mails={mailed} "
                f"journal={'bad' if journal else 'ok'} kills={self.kills}")

    def finish(self):
        """What must be true of all orders together, once nothing more is going on."""
        self.first.judge("at the end")
        self.warehouse.stop()
        self.warehouse.recheck()
        self.problems += self.warehouse.problems + [f"told twice: {line}" for line in self.warehouse.twice()]
        self.problems += checks.balanced(self.journals())
        twice = Counter(message for message, to in self.maillog.mails() if to.startswith(self.name + "-"))
        self.problems += [f"Message-ID {message} was taken {n} times" for message, n in twice.items() if n > 1]

    def end(self):
        # What is not placed yet would keep the program alive.
        self.placing.over.set()
        super().end()
        self.stripe.end()

    def clean(self):
        removals = [f"-rm {self.name}/{sub}/*" for sub in ("in", "out", "archive")]
        removals += [f"-rmdir {self.name}/{sub}" for sub in ("in", "out", "archive")]
        self.sftp.run(*removals, f"-rmdir {self.name}")
        super().clean()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lab", type=Path, required=True, help="where the lab's servers keep their state")
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--limit", type=float, default=900.0, help="seconds until the run gives up")
    chosen = parser.parse_args()
    seed = secrets.randbelow(10**6) if chosen.seed is None else chosen.seed
    make = lambda: Run(chosen.lab, chosen.binary.resolve(), seed, BEGAN + chosen.limit)
    return conduct(Run.word, make, f" with seed {seed}")


if __name__ == "__main__":
    sys.exit(main())
