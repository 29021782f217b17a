"""20 orders from a real shop to a balanced journal, with the daemon killed three times on the way, and staff who act on others
by hand. See docs/real-run.md."""
import argparse
import json
import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import checks
import merchant
from daemon import Daemon
from first import FirstStart
from kills import Kills
from maillog import MailLog
from sftp import Sftp
from shop import Shop
from refunds import Refunds
from staff import Staff
from warehouse import Warehouse

ORDERS = 20
SFTP_PORT, SFTP_USER, SMTP_PORT = 9822, "tpl", 9825
LOOK_AFTER = 3.0  # seconds until a person looks: a mail the server was still taking is in its log by then
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BEGAN = time.monotonic()


def say(words):
    print(f"real: {time.monotonic() - BEGAN:6.1f} s  {words}", flush=True)


class Placing(threading.Thread):
    """Two customers at a time."""

    def __init__(self, shop, run, seed):
        super().__init__(name="customers", daemon=True)
        self.shop = shop
        choose = random.Random(seed).choice
        self.baskets = [(f"{run}-c{n}@lab.test", *choose([(1, 0), (0, 2), (1, 1), (2, 1), (3, 1), (2, 3)])) for n in range(1, ORDERS + 1)]
        self.placed, self.failed = [], None

    def run(self):
        try:
            with ThreadPoolExecutor(max_workers=2) as customers:
                list(customers.map(lambda basket: self.placed.append(self.shop.place(*basket)), self.baskets))
        except Exception as error:  # noqa: BLE001  (told by the main thread)
            self.failed = error


class Run:
    """Everything one run starts, and its end."""

    def __init__(self, lab, binary, seed, deadline):
        self.lab, self.seed, self.deadline = lab, seed, deadline
        self.name = f"real-{secrets.token_hex(4)}"
        self.folder = Path(tempfile.mkdtemp(prefix="hikiate-real."))
        # The private PostgreSQL runs as another user when this is root, and must reach its folder below.
        self.folder.chmod(0o711)
        self.since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self.shop = Shop(json.loads((lab / "medusa/seed.json").read_text()))
        self.maillog = MailLog(lab / "log/smtp.log")
        keys = lab / "infra/sftp"
        known_hosts, host_key = self.folder / "known_hosts", (keys / "hk.pub").read_text()
        known_hosts.write_text(f"[127.0.0.1]:{SFTP_PORT} {' '.join(host_key.split()[:2])}\n")
        printed = subprocess.run(["ssh-keygen", "-lf", keys / "hk.pub"], capture_output=True, text=True, check=True).stdout
        self.sftp = Sftp(SFTP_PORT, SFTP_USER, keys / "id", known_hosts)
        scratch = self.folder / "warehouse"
        scratch.mkdir()
        (self.folder / "books/outgoing").mkdir(parents=True)
        self.warehouse = Warehouse(self.sftp, self.name, scratch, merchant.ZONE, seed)
        config = merchant.write(
            self.folder, self.shop.seed, sales_channel=self.shop.channel, since=self.since, sftp_port=SFTP_PORT,
            sftp_user=SFTP_USER, sftp_key=keys / "id", fingerprint=printed.split()[1], root=self.name, smtp_port=SMTP_PORT)
        self.daemon = Daemon(binary, config, self.folder / "state", self.folder / "daemon.log")
        self.placing = Placing(self.shop, self.name, seed)
        self.kills = Kills(seed)
        self.first = FirstStart(self)
        self.staff = Staff(self)
        self.refunds = Refunds(self)
        self.unresolved = {}  # effect id -> when it was first seen
        self.resolved = Counter()
        self.problems = []

    def carry(self):
        """From the first order to the last booking."""
        say(f"seed {self.seed}, files in {self.folder}, sftp folder {self.name}, orders since {self.since}")
        print(self.daemon.tell("check"), end="", flush=True)
        self.daemon.start()
        self.warehouse.put_stock({"MUG-RED": 500, "MUG-BLUE": 500})
        self.wait("the stock count to be read", lambda: len(self.daemon.ask("stock", "show") or []) == 2)
        self.warehouse.start()
        self.first.play()
        self.placing.start()
        while not self.kills.is_over():
            self.wait("orders to be placed", lambda: self.kills.is_due(len(self.placing.placed)), pause=0.02)
            self.kill()
        say("the last kill is over; waiting for every order to be booked")
        self.wait("every order to be booked", self.all_booked, pause=1.0)
        line = self.judge()
        say("staff act on other orders by hand")
        self.staff.play()
        acts, wrong = self.staff.judge()
        refunds, wrong_money = self.refunds.play()
        wrong += wrong_money
        self.problems += wrong
        self.finish()
        return f"{line} staff={acts + refunds} wrong={len(wrong)}"

    def kill(self):
        server = self.daemon.postgres()
        moment = self.kills.carry_out(self.daemon, self.maillog, self.open_orders)
        say(f"kill -9 number {self.kills.done}: {moment}; {len(self.placing.placed)} placed, {len(self.warehouse.told)} instructed, "
            f"{len(self.warehouse.shipped)} shipped, {self.mailed()} mailed")
        time.sleep(self.kills.pause())
        if server is None or self.daemon.postgres() != server:
            self.problems.append(f"kill {self.kills.done}: PostgreSQL {server} did not outlive the daemon")
        self.daemon.start()
        self.wait("the daemon to answer again", lambda: self.daemon.ask("stock", "show") is not None)
        if self.daemon.postgres() != server:
            self.problems.append(f"kill {self.kills.done}: PostgreSQL {server} was not adopted, {self.daemon.postgres()} runs now")

    def all_booked(self):
        if self.placing.failed:
            raise RuntimeError(f"placing orders failed: {self.placing.failed}")
        self.resolve_mails()
        ours = {order["id"] for order in self.placing.placed}
        booked = sum(row["status"] == "booked" for row in self.rows() if row["external_id"] in ours)
        return booked >= ORDERS and not self.unresolved and not self.daemon.ask("effect", "list")

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
            say(f"mail {message_id} of {row['subject']} was unknown: {verdict} by the mail log")
        self.unresolved = seen

    def mailed(self, whose="-c"):
        return len({to for _, to in self.maillog.mails() if to.startswith(self.name + whose)})

    def mails_to(self, address):
        return sum(to == address for _, to in self.maillog.mails())

    def open_orders(self):
        return len(self.placing.placed) - self.mailed()

    def rows(self):
        """The orders that hikiate knows."""
        return self.daemon.ask("order", "list", "--limit", "200") or []

    def tasks_of(self, order):
        """Open tasks of the order with the shop's id."""
        number = next((row["number"] for row in self.rows() if row["external_id"] == order), None)
        return [task for task in self.daemon.ask("tasks") or [] if number and number in task["subject"]]

    def rest(self):
        """Stops the daemon as an operator does."""
        status = self.daemon.stop()
        if status != 0:
            self.problems.append(f"stopped while staff act, the daemon's exit: {status}")

    def wake(self):
        self.daemon.start()
        self.wait("the daemon to answer again", lambda: self.daemon.ask("stock", "show") is not None)

    def soon(self, condition, seconds):
        """Whether it comes true in time, while the daemon runs and mails are looked after."""
        def looked_after():
            if not self.daemon.is_running():
                raise RuntimeError(f"the daemon ended by itself with {self.daemon.process.poll()}")
            self.resolve_mails()
            return condition()
        return self.patient(looked_after, seconds)

    def patient(self, condition, seconds):
        """Whether it comes true in time."""
        until = min(time.monotonic() + seconds, self.deadline)
        while not condition():
            if time.monotonic() > until:
                return False
            time.sleep(0.5)
        return True

    @staticmethod
    def say(words):
        say(words)

    def wait(self, what, condition, pause=0.3):
        while not condition():
            if self.placing.failed:
                raise RuntimeError(f"placing orders failed: {self.placing.failed}")
            if not self.daemon.is_running():
                raise RuntimeError(f"the daemon ended by itself with {self.daemon.process.poll()} while waiting for {what}")
            if time.monotonic() > self.deadline:
                raise RuntimeError(f"gave up waiting for {what}: {self.where()}")
            time.sleep(pause)

    def where(self):
        orders = Counter((row["status"], row["blocked_by"] or "") for row in self.daemon.ask("order", "list") or [])
        effects = [(e["subject"], e["op"], e["state"], e["error"]) for e in self.daemon.ask("effect", "list") or []]
        return f"orders {dict(orders)}, effects {effects}, tasks {self.daemon.ask('tasks')}"

    def judge(self):
        """Asks everybody what became of the customers' orders; returns the last line's beginning."""
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
        journal = checks.journal(orders, self.folder / "books")
        self.problems += journal
        say(f"{len(self.warehouse.told)} shipments in {len(self.warehouse.files)} files, {sum(self.resolved.values())} mails resolved "
            f"by hand ({dict(self.resolved)})")
        return (f"real: orders={len(orders)} booked={by_status['booked']} captured_once={once} mails={mailed} "
                f"journal={'bad' if journal else 'ok'} kills={self.kills.done}")

    def finish(self):
        """What must be true of all orders together, once nothing more is going on."""
        self.first.judge("at the end")
        self.warehouse.stop()
        self.warehouse.recheck()
        self.problems += self.warehouse.problems + [f"told twice: {line}" for line in self.warehouse.twice()]
        self.problems += checks.balanced(sorted((self.folder / "books").glob("**/*.journal")))
        twice = Counter(message for message, to in self.maillog.mails() if to.startswith(self.name + "-"))
        self.problems += [f"Message-ID {message} was taken {n} times" for message, n in twice.items() if n > 1]

    def end(self):
        """Leaves no process behind, whatever happened and however impatient somebody is."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self.warehouse.stop()
        status = self.daemon.stop()
        if status not in (None, 0):
            self.problems.append(f"the daemon's exit: {status}")
        if self.daemon.end_postgres():
            self.problems.append("the daemon left its PostgreSQL running")

    def clean(self):
        """After a good run nothing is kept."""
        removals = [f"-rm {self.name}/{sub}/*" for sub in ("in", "out", "archive")]
        removals += [f"-rmdir {self.name}/{sub}" for sub in ("in", "out", "archive")]
        self.sftp.run(*removals, f"-rmdir {self.name}")
        shutil.rmtree(self.folder)


def interrupted(*_):
    raise RuntimeError("interrupted")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lab", type=Path, required=True, help="where the lab's servers keep their state")
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--limit", type=float, default=900.0, help="seconds until the run gives up")
    chosen = parser.parse_args()
    seed = secrets.randbelow(10**6) if chosen.seed is None else chosen.seed
    for number in SIGNALS:
        signal.signal(number, interrupted)
    try:
        run = Run(chosen.lab, chosen.binary.resolve(), seed, BEGAN + chosen.limit)
    except Exception as error:  # noqa: BLE001  (nothing was started yet)
        print(f"real: WRONG: before anything was started: {type(error).__name__}: {error}", flush=True)
        return 1
    line = None
    try:
        line = run.carry()
    except Exception as error:  # noqa: BLE001  (everything that goes wrong is told, and the processes are ended)
        run.problems.append(f"{type(error).__name__}: {error}")
    finally:
        run.end()
    if run.problems or line is None:
        for problem in run.problems:
            print(f"real: WRONG: {problem}", flush=True)
        for complaint in run.daemon.complaints():
            print(f"real: daemon: {complaint}", flush=True)
        print(f"real: failed with seed {seed}; everything is kept in {run.folder}", flush=True)
    elif not os.environ.get("REAL_KEEP"):
        run.clean()
    if line is not None:
        print(line, flush=True)
    return 1 if run.problems or line is None else 0


if __name__ == "__main__":
    sys.exit(main())
