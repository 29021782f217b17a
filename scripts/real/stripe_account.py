"""Stripe as the shop's checkout uses it, and as it shows what became of the money."""
import json
import urllib.error
import urllib.parse
import urllib.request

KEY = "sk_test_hikiate_real_run"
CARD = {"type": "card", "card[number]": "4242424242424242", "card[exp_month]": "12", "card[exp_year]": "2039", "card[cvc]": "123"}


class StripeAccount:
    """One key at one address."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def authorise(self, amount, currency):
        """What a customer does at the checkout: a PaymentIntent that is to be captured later. Returns its id."""
        card = self._call("/v1/payment_methods", CARD)["id"]
        made = self._call("/v1/payment_intents", {"amount": amount, "currency": currency, "payment_method": card,
                                                  "capture_method": "manual", "confirm": "true"})
        if made["status"] != "requires_capture":
            raise RuntimeError(f"{made['id']} is {made['status']}, not authorised")
        return made["id"]

    def intent(self, payment):
        """A PaymentIntent with its charge and refunds."""
        return self._call(f"/v1/payment_intents/{payment}")

    def transactions(self):
        """Every movement of money so far: what was taken and what was given back."""
        found, after = [], {}
        while True:
            page = self._call("/v1/balance_transactions?" + urllib.parse.urlencode({"limit": 100} | after))
            found += page["data"]
            if not page["has_more"] or not page["data"]:
                return found
            after = {"starting_after": page["data"][-1]["id"]}

    def _call(self, path, form=None):
        data = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(self.url + path, data=data, headers={"Authorization": f"Bearer {KEY}"})
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"stripe {path}: {error.code} {error.read().decode()[:400]}") from None
