"""A run: one daemon and what it works with, what is waited for, and the end of all of it. What a run does is its own."""
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path

from daemon import Daemon

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BEGAN = time.monotonic()


class Running:
    """`word` begins each line that it prints."""

    word = "real"

    def __init__(self, binary, deadline):
        self.binary, self.deadline = binary, deadline
        self.folder = Path(tempfile.mkdtemp(prefix=f"hikiate-{self.word}."))
        # The private PostgreSQL runs as another user when this is root, and must reach its folder below.
        self.folder.chmod(0o711)
        self.daemon = self.warehouse = None
        self.kills = 0
        self.problems = []

    def say(self, words):
        print(f"{self.word}: {time.monotonic() - BEGAN:6.1f} s  {words}", flush=True)

    def equip(self, config, warehouse):
        """The program under test with its configuration, and the warehouse it instructs; neither is started."""
        self.daemon = Daemon(self.binary, config, self.folder / "state", self.folder / "daemon.log")
        self.warehouse = warehouse

    def look(self):
        """What is looked after while something is waited for."""
        if not self.daemon.is_running():
            raise RuntimeError(f"the daemon ended by itself with {self.daemon.process.poll()}")

    def rows(self):
        """The orders that hikiate knows."""
        return self.daemon.ask("order", "list", "--limit", "200") or []

    def tasks_of(self, order):
        """Open tasks of the order with the shop's id."""
        number = next((row["number"] for row in self.rows() if row["external_id"] == order), None)
        return [task for task in self.daemon.ask("tasks") or [] if number and number in task["subject"]]

    def journals(self):
        """What the books were sent so far."""
        return sorted((self.folder / "books").glob("**/*.journal"))

    def soon(self, condition, seconds):
        """Whether it comes true in time, while the daemon runs."""
        def looked_after():
            self.look()
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

    def wait(self, what, condition, pause=0.3):
        """Waits for what must come true before the run gives up."""
        while not condition():
            self.look()
            if time.monotonic() > self.deadline:
                raise RuntimeError(f"gave up waiting for {what}: {self.where()}")
            time.sleep(pause)

    def where(self):
        orders = Counter((row["status"], row["blocked_by"] or "") for row in self.daemon.ask("order", "list") or [])
        effects = [(e["subject"], e["op"], e["state"], e["error"]) for e in self.daemon.ask("effect", "list") or []]
        return f"orders {dict(orders)}, effects {effects}, tasks {self.daemon.ask('tasks')}"

    def wake(self):
        self.daemon.start()
        self.wait("the daemon to answer again", lambda: self.daemon.ask("stock", "show") is not None)

    def killed(self, kill, pause):
        """Has the daemon killed and starts it again. Its PostgreSQL must outlive it and be taken over."""
        server = self.daemon.postgres()
        kill()
        self.kills += 1
        time.sleep(pause)
        if server is None or self.daemon.postgres() != server:
            self.problems.append(f"kill {self.kills}: PostgreSQL {server} did not outlive the daemon")
        self.wake()
        if self.daemon.postgres() != server:
            self.problems.append(f"kill {self.kills}: PostgreSQL {server} was not adopted, {self.daemon.postgres()} runs now")

    def end(self):
        """Leaves no process behind, whatever happened and however impatient somebody is."""
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        if self.warehouse is not None:
            self.warehouse.stop()
        if self.daemon is None:
            return
        status = self.daemon.stop()
        if status not in (None, 0):
            self.problems.append(f"the daemon's exit: {status}")
        if self.daemon.end_postgres():
            self.problems.append("the daemon left its PostgreSQL running")

    def clean(self):
        """After a good run nothing is kept."""
        shutil.rmtree(self.folder)


def interrupted(*_):
    raise RuntimeError("interrupted")


def conduct(word, make, hint=""):
    """Makes a run, carries it out and ends it, and prints what became of it. Returns the exit status."""
    for number in SIGNALS:
        signal.signal(number, interrupted)
    try:
        run = make()
    except Exception as error:  # noqa: BLE001  (nothing was started yet)
        print(f"{word}: WRONG: before anything was started: {type(error).__name__}: {error}", flush=True)
        return 1
    try:
        run.carry()
    except Exception as error:  # noqa: BLE001  (everything that goes wrong is told, and the processes are ended)
        run.problems.append(f"{type(error).__name__}: {error}")
    finally:
        run.end()
    if not run.problems and not os.environ.get("REAL_KEEP"):
        try:
            run.clean()
        except Exception as error:  # noqa: BLE001  (what is left behind is told)
            run.problems.append(f"while cleaning up: {type(error).__name__}: {error}")
    if run.problems:
        for problem in run.problems:
            print(f"{word}: WRONG: {problem}", flush=True)
        for complaint in run.daemon.complaints() if run.daemon else []:
            print(f"{word}: daemon: {complaint}", flush=True)
        print(f"{word}: failed{hint}; everything is kept in {run.folder}", flush=True)
    line = run.line()
    if line is not None:
        print(line, flush=True)
    return 1 if run.problems or line is None else 0
