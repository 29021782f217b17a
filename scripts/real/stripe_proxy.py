"""Stands before the lab's Stripe emulator and mends what its NOTES say it lacks: idempotency keys, states that refuse a call, limits of
refunds, amounts of a payment, marks written with a capture, lists that are filtered, and events of every change.

    stripe_proxy.py --port 9302 --to http://127.0.0.1:9300

Everything that is to be an event has to go through it: what is created past it is listed, and tells no event."""
import argparse
import json
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEPT = 24 * 3600
PAYMENT = re.compile(r"/v1/payment_intents/(pi_\w+)(?:/(\w+))?$")


class Refused(Exception):
    """An error as Stripe words it."""

    def __init__(self, status, kind, code, message):
        super().__init__(message)
        self.status = status
        error = {"type": kind, "message": message} | ({"code": code} if code else {})
        self.body = json.dumps({"error": error}).encode()


def wrong_state(what, status):
    return Refused(400, "invalid_request_error", "payment_intent_unexpected_state",
                   f"You cannot {what} this PaymentIntent because it has a status of {status}.")


class Watch:
    """What is told of each write under a key, at its moment. A run may act in between: the caller waits."""

    def arrived(self, path, key):
        """Nothing is done yet."""

    def in_use(self, path, key):
        """Refused, because the same write is under way."""

    def done(self, path, key, replayed):
        """Done or refused, and not answered yet."""


class Stripe:
    """The emulator, mended."""

    def __init__(self, to, watch=None):
        self.to = to
        self.watch = watch or Watch()
        # The emulator is one thread; writes of several callers are one at a time, as the objects of Stripe are.
        self.lock = threading.Lock()
        self.keys, self.in_flight, self.events = {}, set(), []

    def call(self, method, path, auth, form=None):
        data = urllib.parse.urlencode(form).encode() if form is not None else None
        request = urllib.request.Request(self.to + path, data=data, method=method)
        request.add_header("Authorization", auth)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            body = error.read()
            refused = Refused(error.code, "invalid_request_error", None, "")
            refused.body = body
            if error.code == 404:
                refused = Refused(404, "invalid_request_error", "resource_missing", f"No such object: {path}")
            raise refused from error

    # What is told.

    def payment(self, intent):
        charge = intent.get("latest_charge")
        received = captured = 0
        if charge:
            captured = bool(charge["captured"])
            refunds = [self.refund(r, charge) for r in charge["refunds"]["data"]]
            released = sum(r["amount"] for r in refunds if r["balance_transaction"] is None)
            received = charge["amount"] - released if captured else 0
            card = {"multicapture": {"status": "unavailable"}, "capture_before": charge["created"] + 7 * 86400}
            intent["latest_charge"] = charge | {
                "amount_captured": received, "disputed": False,
                "payment_method_details": {"type": "card", "card": card},
                "refunds": {"object": "list", "url": "/v1/refunds", "has_more": False, "data": refunds},
            }
        intent["amount_received"] = received
        intent["amount_capturable"] = intent["amount"] if intent["status"] == "requires_capture" else 0
        intent.pop("charges", None)
        return intent

    def refund(self, refund, charge):
        """A refund that names no payment is what a capture of a part released: it moved no money."""
        moved = refund["payment_intent"] is not None
        told = refund | {"payment_intent": charge["payment_intent"]}
        return told if moved else told | {"balance_transaction": None}

    def read(self, path, query, auth):
        found = PAYMENT.match(path)
        if found:
            return self.payment(self.call("GET", path, auth))
        if path == "/v1/payment_intents":
            # The emulator's pages are in no order.
            page = self.call("GET", path + "?limit=100", auth)
            all_, last = page["data"], page["data"][-1:]
            while page["has_more"] and last:
                page = self.call("GET", f"{path}?limit=100&starting_after={last[0]['id']}", auth)
                last = page["data"][-1:]
                all_ += page["data"]
            told = sorted((self.payment(one) for one in all_), key=lambda one: (one["created"], one["id"]))
            return self.page(path, told, query)
        if path == "/v1/events":
            with self.lock:
                return self.page(path, list(self.events), query)
        if path == "/v1/disputes":
            return self.page(path, [], query)
        if path == "/v1/refunds":
            payment = query.get("payment_intent", [""])[0]
            charge = self.payment(self.call("GET", f"/v1/payment_intents/{payment}", auth)).get("latest_charge")
            return self.page(path, list(reversed(charge["refunds"]["data"])) if charge else [], query)
        return self.call("GET", path + ("?" + urllib.parse.urlencode(query, doseq=True) if query else ""), auth)

    @staticmethod
    def page(path, oldest_first, query):
        since = int(query.get("created[gte]", [0])[0])
        types = query.get("types[]")
        told = [one for one in reversed(oldest_first) if one["created"] >= since and (not types or one.get("type") in types)]
        after = query.get("starting_after", [None])[0]
        if after is not None:
            places = [place for place, one in enumerate(told) if one["id"] == after]
            if not places:
                raise Refused(404, "invalid_request_error", "resource_missing", f"No such object: '{after}'")
            told = told[places[0] + 1:]
        limit = int(query.get("limit", ["10"])[0])
        return {"object": "list", "url": path, "has_more": len(told) > limit, "data": told[:limit]}

    # What is done.

    def write(self, path, form, auth):
        with self.lock:
            found = PAYMENT.match(path)
            what = found.group(2) if found else None
            if what == "capture":
                return self.capture(found.group(1), path, form, auth)
            if what == "cancel":
                return self.cancel(found.group(1), path, auth)
            if path == "/v1/refunds" and "payment_intent" in form:
                return self.give_back(path, form, auth)
            told = self.call("POST", path, auth, form)
            if told.get("object") == "payment_intent":
                self.happened("payment_intent.created" if path == "/v1/payment_intents" else "payment_intent.processing", told)
                return self.payment(told)
            return told

    def capture(self, payment, path, form, auth):
        before = self.payment(self.call("GET", f"/v1/payment_intents/{payment}", auth))
        if before["status"] != "requires_capture":
            raise wrong_state("capture", before["status"])
        amount = int(form.get("amount_to_capture", before["amount_capturable"]))
        if not 0 < amount <= before["amount_capturable"]:
            raise Refused(400, "invalid_request_error", "amount_too_large", "The amount is greater than what can be captured.")
        marks = {name: value for name, value in form.items() if name.startswith("metadata[")}
        self.call("POST", path, auth, {"amount_to_capture": amount})
        told = self.call("POST", f"/v1/payment_intents/{payment}", auth, marks) if marks else self.call("GET", path.rsplit("/", 1)[0], auth)
        self.happened("payment_intent.succeeded", told)
        return self.payment(told)

    def cancel(self, payment, path, auth):
        status = self.call("GET", f"/v1/payment_intents/{payment}", auth)["status"]
        if status in ("succeeded", "canceled", "processing"):
            raise wrong_state("cancel", status)
        told = self.call("POST", path, auth, {})
        self.happened("payment_intent.canceled", told)
        return self.payment(told)

    def give_back(self, path, form, auth):
        told = self.payment(self.call("GET", f"/v1/payment_intents/{form['payment_intent']}", auth))
        charge = told.get("latest_charge")
        if not told["amount_received"] or not charge:
            raise wrong_state("refund", told["status"])
        moved = sum(r["amount"] for r in charge["refunds"]["data"] if r["balance_transaction"])
        left = told["amount_received"] - moved
        amount = int(form.get("amount", left))
        if left == 0:
            raise Refused(400, "invalid_request_error", "charge_already_refunded", "The charge has already been refunded.")
        if not 0 < amount <= left:
            raise Refused(400, "invalid_request_error", None, "Refund amount is greater than unrefunded amount on charge.")
        known = {name: value for name, value in form.items() if name in ("payment_intent",) or name.startswith("metadata[")}
        made = self.call("POST", path, auth, known | {"amount": amount})
        self.happened("refund.created", made)
        return made

    def happened(self, kind, about):
        object_ = {"object": about["object"], "id": about["id"]}
        if about["object"] != "payment_intent":
            object_["payment_intent"] = about["payment_intent"]
        self.events.append({"id": f"evt_{len(self.events) + 1:09}", "object": "event", "type": kind, "created": int(time.time()),
                            "livemode": False, "data": {"object": object_}})

    # Keys.

    def under_key(self, key, path, body, act):
        if key is None:
            return act() + (False,)
        with self.lock:
            known = self.keys.get(key)
            if known and time.time() - known[0] < KEPT:
                if known[1] != (path, body):
                    raise Refused(400, "idempotency_error", None, "Keys can only be used with the parameters they were first used with.")
                return known[2] + (True,)
            taken = key in self.in_flight
            self.in_flight.add(key)
        if taken:
            self.watch.in_use(path, key)
            raise Refused(409, "invalid_request_error", "idempotency_key_in_use", "Another request with this key is in progress.")
        try:
            self.watch.arrived(path, key)
            answer = act()
        except Refused as refused:
            answer = (refused.status, refused.body)
        except BaseException:
            with self.lock:
                self.in_flight.discard(key)
            raise
        # At once: a key that is neither in flight nor known would be done again.
        with self.lock:
            self.keys[key] = (time.time(), (path, body), answer)
            self.in_flight.discard(key)
        return answer + (False,)


class Handler(BaseHTTPRequestHandler):
    """Answers for `stripe`."""

    stripe = None

    def log_message(self, *_):
        pass

    def answer(self, status, body, replayed=False):
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            if replayed:
                self.send_header("Idempotent-Replayed", "true")
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # whoever asked was killed

    def handled(self, body):
        path, _, query = self.path.partition("?")
        auth = self.headers.get("Authorization", "")
        try:
            if self.command == "GET":
                told = self.stripe.read(path, urllib.parse.parse_qs(query), auth)
                return self.answer(200, json.dumps(told).encode())
            form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
            form.pop("expand[]", None)

            def act():
                return 200, json.dumps(self.stripe.write(path, form, auth)).encode()

            key = self.headers.get("Idempotency-Key")
            status, told, replayed = self.stripe.under_key(key, path, body, act)
            if key is not None:
                self.stripe.watch.done(path, key, replayed)
            return self.answer(status, told, replayed)
        except Refused as refused:
            return self.answer(refused.status, refused.body)

    def do_GET(self):
        self.handled(b"")

    def do_POST(self):
        self.handled(self.rfile.read(int(self.headers.get("Content-Length", 0))))


def serve(to, port=0, watch=None):
    """A server before the emulator at `to`, which is not started yet; port 0 is any that is free."""
    handler = type("Bound", (Handler,), {"stripe": Stripe(to.rstrip("/"), watch)})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    return server


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=9302)
    parser.add_argument("--to", default="http://127.0.0.1:9300")
    asked = parser.parse_args()
    serve(asked.to, asked.port).serve_forever()


if __name__ == "__main__":
    main()
