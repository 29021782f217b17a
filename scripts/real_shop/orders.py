"""The run's own products and orders, and what the shop shows of them."""
import json
from decimal import ROUND_HALF_UP, Decimal

from woo import NO_ROUTE, Refused

MARK = "real_shop_run"  # the key of the metadata of the run's own orders
ROLES = ("refunded", "edited", "cancelled", "by_hand")
LEAST = len(ROLES) + 1
PRICES = {"A": "25", "B": "12"}
# Whole prices suit every currency. One order per role, then these in turn.
OF_ROLE = {"refunded": (("A", 2), ("B", 1)), "edited": (("A", 1),), "cancelled": (("B", 1),), "by_hand": (("B", 2),)}
OTHERS = ((("A", 1),), (("B", 2),), (("A", 1), ("B", 1)), (("B", 3), ("A", 1)))
# A code that looks right to whoever checks it; any will do elsewhere.
POSTCODES = {"JP": "100-0001", "US": "10001", "GB": "SW1A 1AA", "CA": "K1A 0B1", "AU": "2000", "NL": "1011 AB"}
NO_MINOR = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()
THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND".split()


class Own:
    """An order of the run as it was made. `id` and `line` are texts, as hikiate has them."""

    def __init__(self, role, made):
        self.role, self.made = role, made
        self.id = str(made["id"])
        self.display = f"#{made['number']}"
        self.name = f"order {self.display} ({role or 'plain'})"


class Orders:
    """What the run makes in a shop and removes again."""

    def __init__(self, woo, run, folder):
        self.woo, self.run, self.folder = woo, run, folder
        self.products = {}  # letter -> product
        self.own = []

    def sku(self, letter):
        return f"{self.run}-{letter}".upper()

    def make(self, count):
        """The products, then the orders, each paid by transfer as far as the shop knows."""
        for letter, price in PRICES.items():
            body = {"name": f"Test product {self.sku(letter)} (hikiate)", "type": "simple", "sku": self.sku(letter),
                    "regular_price": price, "virtual": False, "manage_stock": False, "status": "private",
                    "catalog_visibility": "hidden"}
            self.products[letter] = self.woo.post("products", body)
            self._note()
        address = self._address()
        for n in range(count):
            role = ROLES[n] if n < len(ROLES) else ""
            basket = OF_ROLE[role] if role else OTHERS[n % len(OTHERS)]
            lines = [{"product_id": self.products[letter]["id"], "quantity": units} for letter, units in basket]
            body = {"payment_method": "bacs", "payment_method_title": "Direct bank transfer", "set_paid": True,
                    "billing": {**address, "email": f"{self.run}-{n}@example.com"}, "shipping": address, "line_items": lines,
                    "shipping_lines": [{"method_id": "flat_rate", "method_title": "Flat rate", "total": "5"}],
                    "meta_data": [{"key": MARK, "value": self.run}]}
            made = self.woo.post("orders?dp=6", body)
            self.own.append(Own(role, made))
            self._note()
            if made["status"] != "processing":
                raise RuntimeError(f"a paid order is {made['status']!r} at once and not \"processing\": a setting or plug-in of the shop "
                                   "completes or holds orders by itself, and hikiate would ship none of them")

    def of(self, role):
        return next(own for own in self.own if own.role == role)

    def remove(self):
        """Deletes for good what was made, orders first."""
        for own in self.own:
            self._delete(f"orders/{own.id}")
        for product in self.products.values():
            self._delete(f"products/{product['id']}")

    def shown(self, order):
        """An order with all its digits."""
        return self.woo.get(f"orders/{order}", dp=6)

    def notes(self, order):
        return [note["note"] for note in self.woo.get(f"orders/{order}/notes")]

    def refunds(self, order):
        return self.woo.all(f"orders/{order}/refunds", dp=6)

    def fulfilments(self, order):
        """Those that stand; `None` where the shop has no fulfilments."""
        try:
            told = self.woo.get(f"orders/{order}/fulfillments")
        except Refused as error:
            if error.code == NO_ROUTE:
                return None
            raise
        return [one for one in told if not one.get("date_deleted")]

    def reports(self, order, tracking):
        """Where the shop shows a tracking number: fulfilments, keys of the order's metadata, and notes."""
        shown = self.shown(order)
        told = [f"fulfilment {one['id']}" for one in self.fulfilments(order) or [] if tracking in str(meta(one).get("_tracking_number", ""))]
        marks = [key for key, value in meta(shown).items() if tracking in str(value)]
        notes = ["a note" for note in self.notes(order) if tracking in note]
        return told, marks, notes

    def _address(self):
        country, _, state = self._base().partition(":")
        return {"first_name": "Test", "last_name": "Customer", "address_1": "1 Test Street", "address_2": "", "city": "Test City",
                "state": state, "postcode": POSTCODES.get(country, "10001"), "country": country, "phone": "0300000000"}

    def _base(self):
        """Where the shop is: what it ships there is taxed as it is at home."""
        try:
            return self.woo.get("settings/general/woocommerce_default_country")["value"] or "US:NY"
        except Refused:
            # The key's owner may not read settings.
            return "US:NY"

    def _note(self):
        """What is in the shop now, for whoever has to remove it after a run that failed."""
        made = {"run": self.run, "url": self.woo.url, "orders": [own.id for own in self.own],
                "products": [product["id"] for product in self.products.values()]}
        (self.folder / "made.json").write_text(json.dumps(made))

    def _delete(self, path):
        delete(self.woo, path)


def delete(woo, path):
    """For good; what is gone already is no problem."""
    try:
        woo.delete(path)
    except Refused as error:
        if error.status not in (404, 410):
            raise


def remove(woo, folder):
    """Removes what a run that failed has left in the shop."""
    made = json.loads((folder / "made.json").read_text())
    if made["url"] != woo.url:
        raise RuntimeError(f"{folder} is of a run against {made['url']}, not {woo.url}")
    for order in made["orders"]:
        delete(woo, f"orders/{order}")
    for product in made["products"]:
        delete(woo, f"products/{product}")
    return len(made["orders"]), len(made["products"])


def meta(thing):
    """Its metadata by key."""
    return {one["key"]: one["value"] for one in thing.get("meta_data", [])}


def gross(line):
    return Decimal(line["total"]) + Decimal(line["total_tax"])


def digits(currency):
    """Of its minor unit."""
    return 0 if currency in NO_MINOR else 3 if currency in THREE_DIGITS else 2


def rounded(amount, currency):
    """To the currency's minor unit, half up."""
    return Decimal(amount).quantize(Decimal(1).scaleb(-digits(currency)), rounding=ROUND_HALF_UP)


def major(minor, currency):
    """From minor units."""
    return Decimal(minor).scaleb(-digits(currency))
