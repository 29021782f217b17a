"""A small warehouse that works by files, over SFTP or in a folder: it reads instructions (出荷指示), answers them (受付), ships, and reports
what left (出荷実績). It shares no code with the program under test and remembers every instruction it was ever told."""
import csv
import hashlib
import io
import random
import threading
import time
from datetime import datetime
from zoneinfo import ZoneInfo


class Warehouse:
    """Works in a thread of its own between `start` and `stop`."""

    def __init__(self, place, root, zone, seed):
        self.place = place
        self.inbox, self.outbox = f"{root}/in", f"{root}/out"
        self.zone = ZoneInfo(zone)
        self.random = random.Random(seed)
        self.files = {}       # name -> SHA-256 of its bytes when it was first read
        self.told = {}        # reference -> the files that named it
        self.jobs = {}        # reference -> {display, lines, ship_at, tracking}
        self.shipped = {}     # reference -> tracking number
        self.problems = []
        self.keeping = False  # what is told from now on waits in the house
        self.silent = set()   # customer's numbers of orders whose goods have left and are not reported yet
        self.asked = set()    # references that it was asked to stop
        self.number = 0
        self.last_error = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="warehouse", daemon=True)
        for folder in (root, self.inbox, self.outbox):
            place.make(folder)

    def start(self):
        self._thread.start()

    def stop(self):
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=90)

    def put_stock(self, stock):
        """Delivers a stock count (在庫)."""
        rows = [{"商品コード": code, "倉庫コード": "", "在庫数": n, "集計日時": self._now()} for code, n in stock.items()]
        self._put("zaiko", rows)

    def keep_back(self):
        """Takes and answers what it is told, and ships none of it until `let_go`."""
        self.keeping = True

    def let_go(self):
        """Ships what was kept back."""
        self.keeping = False

    def say_nothing_of(self, display):
        """The goods of this order leave and are reported only after `report`."""
        self.silent.add(display)

    def report(self, display):
        """Reports what has left in silence."""
        self.silent.discard(display)

    def references(self, display):
        """The shipments told for the customer's order number."""
        return [reference for reference, job in list(self.jobs.items()) if job["display"] == display]

    def lines(self, display):
        """Pieces by item code of each shipment told for the customer's order number."""
        told = []
        for reference in self.references(display):
            pieces = {}
            for _, code, quantity in self.jobs[reference]["lines"]:
                pieces[code] = pieces.get(code, 0) + quantity
            told.append(pieces)
        return told

    def recheck(self):
        """Reads every instruction file again: none may have changed after it was first read, none may be new."""
        for name in self._instruction_files():
            if name not in self.files:
                self.problems.append(f"{name} came after all was shipped")
            elif hashlib.sha256(self._get(name)).hexdigest() != self.files[name]:
                self.problems.append(f"{name} was changed after it had been read")

    def twice(self):
        """References that were told more than once."""
        return [f"{reference} in {', '.join(files)}" for reference, files in self.told.items() if len(files) > 1]

    def _work(self):
        while not self._stop.is_set():
            try:
                self._tick()
            except Exception as error:  # noqa: BLE001  (the server may be away for a moment; a lasting failure shows at the end)
                self.last_error = f"{type(error).__name__}: {error}"
            self._stop.wait(0.5)

    def _now(self):
        return datetime.now(self.zone).strftime("%Y/%m/%d %H:%M:%S")

    def _instruction_files(self):
        return sorted(name for name in self.place.names(self.inbox) if name.endswith(".csv"))

    def _get(self, name):
        return self.place.read(f"{self.inbox}/{name}")

    def _tick(self):
        replies, refusals = [], []
        for name in self._instruction_files():
            if name not in self.files:
                content = self._get(name)
                rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))
                # A request to stop names shipments and no lines of theirs.
                if rows and "行番号" not in rows[0]:
                    refusals += self._stop_request(rows)
                else:
                    replies += self._read(name, rows)
                self.files[name] = hashlib.sha256(content).hexdigest()
        if replies:
            self._put("uketsuke", replies)
        if refusals:
            self._put("torikeshi", refusals)
        self._ship()

    def _stop_request(self, rows):
        """Whatever it is asked to stop has left or is about to."""
        self.asked |= {row["出荷指示番号"] for row in rows}
        return [{"出荷指示番号": row["出荷指示番号"], "取消結果": "出荷済", "メッセージ": "", "回答日時": self._now()} for row in rows]

    def _read(self, name, rows):
        in_file, replies = {}, []
        for row in rows:
            reference = row["出荷指示番号"]
            line = (int(row["行番号"]), row["商品コード"], int(row["数量"]))
            in_file.setdefault(reference, (row["注文番号"], []))[1].append(line)
        for reference, (display, lines) in in_file.items():
            self.told.setdefault(reference, []).append(name)
            if len({n for n, _, _ in lines}) != len(lines):
                self.problems.append(f"{name}: {reference} repeats a line")
            if reference not in self.jobs:
                digits = int(hashlib.sha256(reference.encode()).hexdigest(), 16) % 10**12
                self.jobs[reference] = {"display": display, "lines": lines, "tracking": f"{digits:012}", "kept": self.keeping,
                                        "ship_at": time.monotonic() + self.random.uniform(0.0, 3.0)}
            replies.append({"出荷指示番号": reference, "受付結果": "OK", "メッセージ": "", "受付日時": self._now()})
        return replies

    def _ship(self):
        rows, left = [], {}
        for reference, job in self.jobs.items():
            if reference in self.shipped or job["ship_at"] > time.monotonic() or (job["kept"] and self.keeping) or job["display"] in self.silent:
                continue
            left[reference] = job["tracking"]
            rows += [{"出荷指示番号": reference, "行番号": n, "商品コード": code, "出荷数量": quantity, "配送業者": "DHL",
                      "送り状番号": job["tracking"], "出荷日時": self._now()} for n, code, quantity in job["lines"]]
        if rows:
            self._put("jisseki", rows)
            self.shipped.update(left)

    def _put(self, kind, rows):
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
        self.number += 1
        self.place.write(f"{self.outbox}/{kind}-{self.number:06}.csv", text.getvalue().encode("utf-8"))
