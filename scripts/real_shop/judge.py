"""What must be true once all is done, asked of the shop, the warehouse and the books."""
import re
from collections import Counter
from decimal import Decimal

import checks
import merchant
from orders import gross, major, meta, rounded
from people import BY_HAND

# Tasks that an order must rest with: money that no account of hikiate's can pay back is an operator's.
TASKS = {"refunded": ["refund_to_pay"], "cancelled": ["over_captured"]}
OWED = (merchant.TITLES["receivable"], merchant.TITLES["advance"])
ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \* \((?P<reference>[^)]*)\)")
POSTING = re.compile(r"^    (?P<account>\S.*?)  (?P<amount>-?[\d.]+) (?P<currency>[A-Z]{3})\b")


class Judge:
    """Counts what is right; what is wrong is told, and what was done twice as well."""

    def __init__(self, run):
        self.run, self.orders, self.warehouse = run, run.orders, run.warehouse
        self.rows = {row["external_id"]: row for row in run.rows()}
        self.tasks = run.daemon.ask("tasks") or []
        self.right = Counter()
        self.twice, self.wrong = [], []
        self.due = {own.id: self._due(own) for own in self.orders.own}

    def order(self, own):
        """One order from every side."""
        before = len(self.wrong) + len(self.twice)
        shown = self.orders.shown(own.id)
        references = self.warehouse.references(own.display)
        if own.role in ("cancelled", "by_hand"):
            self._never_sent(own, shown, references)
        else:
            self._sent(own, shown, references)
        self._refunds(own, shown)
        number = self.rows.get(own.id, {}).get("number", "?")
        open_tasks = [task for task in self.tasks if number in task["subject"]]
        kinds = [task["kind"] for task in open_tasks]
        told = [(task["kind"], task["detail"]) for task in open_tasks]
        self._must(kinds == TASKS.get(own.role, []), own, f"its tasks are {told}, not {TASKS.get(own.role, [])}")
        good = len(self.wrong) + len(self.twice) == before
        self.right["orders"] += own.id in self.rows
        if own.role not in ("cancelled", "by_hand"):
            self.right["shipped"] += good
        self.right[own.role] += good

    def _sent(self, own, shown, references):
        told = self.warehouse.lines(own.display)
        ordered = Counter()
        for line in shown["line_items"]:
            ordered[line["sku"]] += line["quantity"]
        self._once(len(references), own, f"the warehouse was told {len(references)} shipments: {told}")
        self._must(told[:1] == [dict(ordered)], own, f"the warehouse was told {told}, ordered are {dict(ordered)}")
        numbers = [self.warehouse.shipped.get(reference) for reference in references]
        self._must(all(numbers), own, "the warehouse has not shipped it")
        for reference, number in zip(references, numbers, strict=True):
            if number:
                self._reported(own, reference, number)
        status = self.rows.get(own.id, {}).get("status")
        self._must(status == "booked", own, f"hikiate says {status!r}, not booked")
        wanted = ("completed",)
        self._must(shown["status"] in wanted, own, f"the shop says {shown['status']!r}, not {' or '.join(wanted)}")

    def _reported(self, own, reference, number):
        """One fulfilment with the number, or one key and one note."""
        fulfilments, marks, notes = self.orders.reports(own.id, number)
        told = f"tracking number {number} of {reference}: {len(fulfilments)} fulfilments, keys {marks}, {len(notes)} notes"
        by_note = not fulfilments and len(marks) == 1 and len(notes) == 1
        by_fulfilment = len(fulfilments) == 1 and not marks and not notes
        if len(fulfilments) > 1 or len(marks) > 1 or len(notes) > 1 or (fulfilments and (marks or notes)):
            self.twice.append(f"{own.name}: {told}")
        else:
            self._must(by_note or by_fulfilment, own, told)

    def _never_sent(self, own, shown, references):
        self._must(not references, own, f"the warehouse was told {self.warehouse.lines(own.display)}")
        ours = [key for key in meta(shown) if "hikiate" in key]
        ours += [f"fulfilment {one['id']}" for one in self.orders.fulfilments(own.id) or [] if any("hikiate" in key for key in meta(one))]
        ours += [note for note in self.orders.notes(own.id) if "[HK" in note]
        self._must(not ours, own, f"hikiate reported a shipment: {ours}")
        status = self.rows.get(own.id, {}).get("status")
        if own.role == "cancelled":
            self._must(shown["status"] == "cancelled", own, f"the shop says {shown['status']!r}")
            self._must(status == "cancelled", own, f"hikiate says {status!r}")
            return
        fulfilments, _, notes = self.orders.reports(own.id, BY_HAND.format(own.id))
        self._must(len(fulfilments) + len(notes) == 1, own, f"staff's number is in {fulfilments} and {len(notes)} notes")
        self._must(shown["status"] == "completed", own, f"the shop says {shown['status']!r}")
        self._must(status == "booked", own, f"hikiate says {status!r}, not booked")

    def _refunds(self, own, shown):
        refunds = self.orders.refunds(own.id) if shown["refunds"] else []
        if own.role != "refunded":
            self._must(not refunds, own, f"{len(refunds)} refunds")
            return
        self._once(len(refunds), own, f"{len(refunds)} refunds: {[one['amount'] for one in refunds]}")
        line = next(one for one in shown["line_items"] if str(one["id"]) == self.run.people.line)
        cost = rounded(gross(line), shown["currency"])
        for refund in refunds[:1]:
            self._must(Decimal(refund["amount"]) == cost, own, f"refunded {refund['amount']}, the line cost {cost}")
            self._must(any("hikiate" in key for key in meta(refund)), own, f"refund {refund['id']} is not hikiate's")
            self._must(refund.get("refunded_payment") is not True, own, "the gateway was asked to pay it back")
            named = [(str(meta(one).get("_refunded_item_id")), one["quantity"]) for one in refund["line_items"]]
            self._must(named == [(self.run.people.line, -1)], own, f"the refund names {named}, not one of line {self.run.people.line}")
            parts = sum(gross(one) for one in refund["line_items"])
            self._must(rounded(-parts, shown["currency"]) == cost, own, f"the refund's lines come to {-parts}, not {cost}")

    def books(self):
        """Every entry is balanced, and what customers owe by the books, order by order and in all, is what the shop's orders come to."""
        files = self.run.journals()
        wrong = [] if files else ["no journal file was written"]
        owed = Decimal(0)
        for file in files:
            off, debited = entries(file)
            wrong += off
            owed += debited
        due = sum(self.due.values())
        if owed != due:
            wrong.append(f"the books: {owed} is owed by customers, the shop says {due}")
        for own in self.orders.own:
            ledger = self.run.daemon.ask("order", "ledger", f"shop/{own.id}") or {}
            recognised = ledger.get("recognised")
            if recognised is None or major(recognised, own.made["currency"]) != self.due[own.id]:
                wrong.append(f"{own.name}: {recognised} is recognised (minor units), the shop says {self.due[own.id]}")
        return wrong

    def hledger(self):
        """The same balance by another program, where it is installed."""
        return checks.balanced(self.run.journals())

    def _due(self, own):
        """What the shop's order comes to, without what was given back."""
        if own.role == "cancelled":
            return Decimal(0)
        shown = self.orders.shown(own.id)
        refunds = self.orders.refunds(own.id) if shown["refunds"] else []
        return rounded(Decimal(shown["total"]), shown["currency"]) - sum(Decimal(one["amount"]) for one in refunds)

    def _once(self, count, own, words):
        if count > 1:
            self.twice.append(f"{own.name}: {words}")
        else:
            self._must(count == 1, own, words)

    def _must(self, condition, own, words):
        if not condition:
            self.wrong.append(f"{own.name}: {words}")


def entries(file):
    """The entries of a journal that are not balanced, and what all of them debit to customers."""
    wrong, debited, sums, reference = [], Decimal(0), Counter(), None
    for line in [*file.read_text(encoding="utf-8").splitlines(), ""]:
        entry, posting = ENTRY.match(line), POSTING.match(line)
        if entry:
            reference = entry["reference"]
        elif posting and reference is not None:
            sums[posting["currency"]] += Decimal(posting["amount"])
            if posting["account"] in OWED:
                debited += Decimal(posting["amount"])
        elif not line.strip() and reference is not None:
            wrong += [f"{file.name}: the entry {reference} is off by {amount} {currency}" for currency, amount in sums.items() if amount]
            sums, reference = Counter(), None
    return wrong, debited
