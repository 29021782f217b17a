"""What must be true once all is done, asked of the far sides themselves. Each check returns what it found wrong."""
import csv
import subprocess
from collections import Counter
from decimal import ROUND_HALF_UP, Decimal

import merchant
from shop import cents


def _quantities(pairs):
    total = Counter()
    for sku, quantity in pairs:
        total[sku] += int(quantity)
    return dict(total)


def _name(order):
    return f"order #{order['display_id']} ({order['id']})"


def goods(order, warehouse):
    """What was ordered left once, and the shop shows it. Returns what is wrong."""
    wrong = []

    def must(condition, words):
        if not condition:
            wrong.append(f"{_name(order)}: {words}")

    for item in order["items"]:
        detail = item["detail"]
        for stage in ("fulfilled_quantity", "shipped_quantity"):
            must(detail[stage] == detail["quantity"], f"{item['variant_sku']}: {stage} {detail[stage]} of {detail['quantity']}")
    references = warehouse.references(f"#{order['display_id']}")
    must(len(references) == 1, f"the warehouse was told {len(references)} shipments, not 1")
    told = _quantities((code, n) for reference in references for _, code, n in warehouse.jobs[reference]["lines"])
    ordered = _quantities((item["variant_sku"], item["detail"]["quantity"]) for item in order["items"])
    must(told == ordered, f"the warehouse was told {told}, ordered were {ordered}")
    fulfilments = [f for f in order["fulfillments"] if not f.get("canceled_at")]
    must(len(fulfilments) == 1, f"{len(fulfilments)} fulfilments, not 1")
    must(all(f.get("shipped_at") for f in fulfilments), "a fulfilment is not shipped")
    shown = [label["tracking_number"] for f in fulfilments for label in f.get("labels") or []]
    left = [warehouse.shipped.get(reference) for reference in references]
    must(shown == left, f"tracking numbers {shown}, the warehouse's are {left}")
    return wrong


def _payments(order):
    return [payment for collection in order["payment_collections"] for payment in collection["payments"]]


def in_medusa(order, warehouse):
    """One order that the shop itself charges, as the Admin API shows it. Returns (captured once?, what is wrong)."""
    wrong = goods(order, warehouse)

    def must(condition, words):
        if not condition:
            wrong.append(f"{_name(order)}: {words}")

    payments = _payments(order)
    captures = [capture for payment in payments for capture in payment["captures"]]
    once = len(payments) == 1 and len(captures) == 1
    must(once, f"{len(payments)} payments with {len(captures)} captures, not 1 with 1")
    amounts = [Decimal(capture["amount"]) for capture in captures]
    must(sum(amounts) == Decimal(order["total"]), f"captured {amounts}, its total is {order['total']}")
    must(not any(payment.get("refunds") for payment in payments), "was refunded")
    return once and amounts == [Decimal(order["total"])], wrong


def untouched(order):
    """The shop's own payment of an order that is charged elsewhere: authorised, and nothing done with it. Returns what is wrong."""
    payments = _payments(order)
    moved = [part for payment in payments for kind in ("captures", "refunds") for part in payment[kind]]
    if len(payments) == 1 and not moved and order["payment_status"] == "authorized":
        return []
    return [f"{_name(order)}: the shop's own payment is {order['payment_status']}, {len(payments)} payments with {len(moved)} captures and refunds"]


def mails(orders, log, prefix):
    """At most one mail per order and Message-ID. Returns (orders with exactly one, what is wrong)."""
    ours = [(message_id, to) for message_id, to in log.mails() if to.startswith(prefix)]
    per_order = Counter(to for _, to in ours)
    wrong = [f"Message-ID {m} was taken {n} times" for m, n in Counter(m for m, _ in ours).items() if n > 1]
    wrong += [f"order #{o['display_id']}: {per_order[o['email']]} mails, not 1" for o in orders if per_order[o["email"]] != 1]
    wrong += [f"a mail to {to}, who ordered nothing" for to in per_order.keys() - {o["email"] for o in orders}]
    return sum(per_order[order["email"]] == 1 for order in orders), wrong


def balanced(files):
    """hledger accepts every file and all of them together."""
    wrong = []
    for chosen in [[file] for file in files] + [files]:
        done = _hledger(chosen, "check", "--strict")
        if done.returncode != 0:
            wrong.append(f"hledger check --strict {' '.join(f.name for f in chosen)}: {done.stderr.strip()}")
    return wrong


def journal(orders, captured, files):
    """Balanced, and the books say what was captured (minor units, in all) of these orders."""
    if not files:
        return ["no journal file was written"]
    wrong = balanced(files)
    if wrong:
        return wrong
    tax = rounding = 0
    for order in orders:
        parts = [*order["items"], *order["shipping_methods"]]
        tax += tax_once(order)
        rounding += cents(order["total"]) - sum(cents(part["total"]) for part in parts)
    expected = {merchant.TITLES["receivable"]: captured, merchant.TITLES["tax"]: -tax, merchant.TITLES["rounding"]: -rounding,
                merchant.TITLES["sales"]: tax + rounding - captured}
    booked = balances(files)
    for account in sorted(expected.keys() | booked.keys()):
        if booked.get(account, 0) != expected.get(account, 0):
            wrong.append(f"{account}: {booked.get(account, 0)} in the books, {expected.get(account, 0)} by the shop (minor units)")
    return wrong


def paid(order):
    """Captured and given back of an order, minor units."""
    return tuple(sum(cents(part["amount"]) for payment in _payments(order) for part in payment[kind]) for kind in ("captures", "refunds"))


def tax_once(order, given_back=0):
    """The tax in what an order charges: rounded half up once for each rate, credits spread over what they lower. `given_back`, minor
    units, went back elsewhere than in the shop."""
    if given_back == cents(order["total"]):
        return 0
    by_rate = Counter()
    for part in [*order["items"], *order["shipping_methods"]]:
        by_rate[sum(Decimal(line["rate"]) for line in part["tax_lines"])] += cents(part["total"])
    # The lab's shop has one rate, so that a credit is all of that rate.
    credit = min(0, cents(order["total"]) - sum(by_rate.values()))
    if abs(credit) > len(order["items"]) + 1:
        by_rate[max(by_rate)] += credit
    by_rate[max(by_rate)] -= given_back
    return sum(int((Decimal(gross) * rate / (100 + rate)).quantize(Decimal(1), rounding=ROUND_HALF_UP)) for rate, gross in by_rate.items())


def balances(files):
    """Each account's balance in minor units, as hledger sums it."""
    if not files:
        return {}
    done = _hledger(files, "balance", "--flat", "--no-total", "--empty", "-O", "csv")
    booked = {}
    for row in csv.DictReader(done.stdout.splitlines()):
        amount, _, currency = row["balance"].partition(" ")
        if currency not in ("EUR", ""):
            raise RuntimeError(f"{row['account']} is in {currency}, not EUR")
        booked[row["account"]] = cents(amount.replace(",", ""))
    return booked


def _hledger(files, *words):
    chosen = [part for file in files for part in ("-f", str(file))]
    return subprocess.run(["hledger", *chosen, *words], capture_output=True, text=True, timeout=60, check=False,
                          env={"LC_ALL": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"})
