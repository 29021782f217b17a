"""Medusa as its customers and its staff use it: the storefront API places orders, the Admin API is asked what became of them."""
import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from decimal import ROUND_HALF_UP, Decimal

NAME = "hikiate real run"
FIELDS = ("id,display_id,version,updated_at,email,status,total,payment_status,fulfillment_status,*items,*items.detail,*items.tax_lines,"
          "*shipping_methods,*shipping_methods.tax_lines,"
          "*payment_collections.payments,*payment_collections.payments.captures,*payment_collections.payments.refunds,"
          "*fulfillments,*fulfillments.labels,*fulfillments.items")


def cents(number):
    """Minor units of an unrounded amount, rounded half up."""
    return int((Decimal(number) * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


class Shop:
    """A sales channel of its own in the lab's Medusa, so that orders of others never mix with those of a run."""

    def __init__(self, seed, name=NAME):
        self.name = name
        self.url = seed["url"]
        self.seed = seed
        self.admin = {"authorization": "Basic " + base64.b64encode((seed["secret_key"] + ":").encode()).decode()}
        self.channel = self._channel()
        self.store = {"x-publishable-api-key": self._publishable_key()}

    def _call(self, method, path, headers, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", **headers}
        request = urllib.request.Request(self.url + path, method=method, data=data, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.loads(answer.read(), parse_float=Decimal)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.code} {error.read().decode()[:400]}") from None

    def call(self, path, body=None):
        """The Admin API: a POST with a body, else a GET."""
        return self._call("GET" if body is None else "POST", path, self.admin, body)

    def _channel(self):
        known = self.call("/admin/sales-channels?" + urllib.parse.urlencode({"name": self.name}))["sales_channels"]
        if known:
            return known[0]["id"]
        made = self.call("/admin/sales-channels", {"name": self.name})["sales_channel"]["id"]
        self.call(f"/admin/sales-channels/{made}/products", {"add": [self.seed["product"]]})
        self.call(f"/admin/stock-locations/{self.seed['location']}/sales-channels", {"add": [made]})
        return made

    def _publishable_key(self):
        keys = self.call("/admin/api-keys?type=publishable&limit=100")["api_keys"]
        key = next((k for k in keys if k["title"] == self.name and not k.get("revoked_at")), None)
        if key is None:
            key = self.call("/admin/api-keys", {"title": self.name, "type": "publishable"})["api_key"]
            self.call(f"/admin/api-keys/{key['id']}/sales-channels", {"add": [self.channel]})
        return key["token"]

    address = {"first_name": "Ana", "last_name": "Müller", "address_1": "Hauptstr. 5", "address_2": "c/o Ünal",
               "city": "Köln", "country_code": "de", "postal_code": "50667", "phone": "+4922112345"}

    def place(self, email, red, blue):
        """Places one order as a customer does and returns it as the storefront shows it."""
        variants = self.seed["variants"]
        items = [{"variant_id": variants[sku], "quantity": n} for sku, n in (("MUG-RED", red), ("MUG-BLUE", blue)) if n]
        cart = self._call("POST", "/store/carts", self.store, {
            "region_id": self.seed["region"], "sales_channel_id": self.channel, "email": email,
            "shipping_address": self.address, "billing_address": self.address, "items": items})["cart"]["id"]
        self._call("POST", f"/store/carts/{cart}/shipping-methods", self.store, {"option_id": self.seed["shipping_option"]})
        collection = self._call("POST", "/store/payment-collections", self.store, {"cart_id": cart})["payment_collection"]["id"]
        session = {"provider_id": "pp_system_default"}
        self._call("POST", f"/store/payment-collections/{collection}/payment-sessions", self.store, session)
        placed = self._call("POST", f"/store/carts/{cart}/complete", self.store, {})
        if placed.get("type") != "order":
            raise RuntimeError(f"the storefront took no order: {placed}")
        return placed["order"]

    def order(self, number):
        """One order by its id, as the Admin API shows it."""
        return self.call(f"/admin/orders/{number}?{urllib.parse.urlencode({'fields': FIELDS})}")["order"]

    def orders_since(self, instant):
        """Every order of the channel placed at or after `instant`, as the Admin API shows it."""
        found = []
        while True:
            query = urllib.parse.urlencode({"sales_channel_id[]": self.channel, "created_at[$gte]": instant, "fields": FIELDS,
                                            "order": "created_at", "limit": 50, "offset": len(found)})
            page = self.call(f"/admin/orders?{query}")
            found += page["orders"]
            if not page["orders"] or len(found) >= page["count"]:
                return found
