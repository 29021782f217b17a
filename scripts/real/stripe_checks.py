"""Whether money was taken once and given back once, by what Stripe itself shows. Each check returns what it found wrong."""


class Ledger:
    """The movements of money since the run began, and which of them belong to a payment of the run."""

    def __init__(self, transactions):
        self.transactions = transactions
        self.explained = set()

    def of(self, kind, sources):
        """Movements of a kind that come from these objects."""
        found = [one for one in self.transactions if one["type"] == kind and one["source"] in sources]
        self.explained |= {one["id"] for one in found}
        return found

    def unexplained(self):
        """Movements that belong to no payment which was judged."""
        rest = [one for one in self.transactions if one["id"] not in self.explained]
        return [f"stripe: {one['type']} of {one['amount']} ({one['id']}, {one['source']}) belongs to no order of the run" for one in rest]


def captured(name, intent, ledger, total):
    """One payment was captured, once, with exactly `total` minor units. Returns (once?, what is wrong)."""
    charge = intent["latest_charge"] or {}
    taken = [one["amount"] for one in ledger.of("charge", {charge.get("id")})]
    kept = sum(taken) - sum(_amounts(intent, ledger, released=True))
    wrong = []
    if intent["status"] != "succeeded" or not charge.get("captured"):
        wrong.append(f"{name}: {intent['id']} is {intent['status']} at Stripe")
    if len(taken) != 1 or kept != total:
        wrong.append(f"{name}: {intent['id']} was captured {len(taken)} times, {kept} in all, not once {total} (minor units)")
    return not wrong, wrong


def refunded(name, intent, ledger, amount):
    """One payment was refunded once, with exactly `amount` minor units; never where it is 0. Returns (once?, what is wrong)."""
    given = _amounts(intent, ledger, released=False)
    expected = [amount] if amount else []
    wrong = [] if given == expected else [f"{name}: {intent['id']} was refunded {given}, not {expected} (minor units)"]
    return given == [amount], wrong


def _amounts(intent, ledger, *, released):
    """What left again: given back to the customer, or released by a capture of less. The emulator lists both as refunds; the latter name
    no payment."""
    refunds = (intent["latest_charge"] or {"refunds": {"data": []}})["refunds"]["data"]
    ids = {one["id"] for one in refunds if (one["payment_intent"] is None) == released}
    return [-one["amount"] for one in ledger.of("refund", ids)]


def keys(names, seen):
    """Each write of a payment came under one key. `seen`: (path, key) of every write that arrived. `names`: order by payment."""
    wrong = []
    for payment, name in names.items():
        used = {key for path, key in seen if path == f"/v1/payment_intents/{payment}/capture"}
        if len(used) != 1:
            wrong.append(f"{name}: {payment} was to be captured under {len(used)} keys, not 1: {sorted(used)}")
    return wrong
