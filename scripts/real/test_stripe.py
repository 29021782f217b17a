"""The checks of the money at Stripe must find what is wrong, and the proxy must keep its word.

    python3 -B -m unittest discover -s scripts/real        # with HIKIATE_LAB_STRIPE=http://127.0.0.1:9300 also at the lab's emulator"""
import os
import threading
import unittest
import urllib.error
import urllib.parse
import urllib.request

import stripe_checks
import stripe_proxy
from stripe_account import KEY, StripeAccount
from stripe_moments import Moments

EMULATOR = os.environ.get("HIKIATE_LAB_STRIPE")


def payment(*refunds, status="succeeded", captured=True):
    """A payment as the emulator shows it; a refund is (id, whether it names the payment)."""
    data = [{"id": id_, "payment_intent": "pi_1" if named else None} for id_, named in refunds]
    return {"id": "pi_1", "status": status, "latest_charge": {"id": "ch_1", "captured": captured, "refunds": {"data": data}}}


def moved(kind, source, amount, number):
    return {"id": f"txn_{number}", "type": kind, "source": source, "amount": amount}


TAKEN = moved("charge", "ch_1", 5046, 1)


class Checks(unittest.TestCase):
    """Of movements that are made up."""

    def captured(self, intent, *transactions, total=5046):
        return stripe_checks.captured("order", intent, stripe_checks.Ledger(transactions), total)

    def refunded(self, intent, *transactions, amount=300):
        return stripe_checks.refunded("order", intent, stripe_checks.Ledger(transactions), amount)

    def test_once_and_whole_is_right(self):
        self.assertEqual(self.captured(payment(), TAKEN), (True, []))

    def test_captured_twice_is_wrong(self):
        once, wrong = self.captured(payment(), TAKEN, moved("charge", "ch_1", 5046, 2))
        self.assertFalse(once)
        self.assertIn("captured 2 times, 10092 in all", wrong[0])

    def test_captured_never_or_with_less_is_wrong(self):
        self.assertFalse(self.captured(payment(captured=False, status="requires_capture"))[0])
        released = moved("refund", "re_1", -46, 2)
        self.assertFalse(self.captured(payment(("re_1", False)), TAKEN, released)[0])
        self.assertEqual(self.captured(payment(("re_1", False)), TAKEN, released, total=5000), (True, []))

    def test_a_payment_that_nobody_tried_is_wrong(self):
        untried = {"id": "pi_1", "status": "requires_payment_method", "latest_charge": None}
        self.assertFalse(self.captured(untried)[0])
        self.assertFalse(self.refunded(untried)[0])

    def test_refunded_once_with_its_amount_is_right(self):
        self.assertEqual(self.refunded(payment(("re_1", True)), moved("refund", "re_1", -300, 2)), (True, []))

    def test_refunded_twice_never_or_with_another_amount_is_wrong(self):
        twice = payment(("re_1", True), ("re_2", True))
        given = [moved("refund", "re_1", -300, 2), moved("refund", "re_2", -300, 3)]
        self.assertEqual(self.refunded(twice, *given)[0], False)
        self.assertFalse(self.refunded(payment())[0])
        self.assertFalse(self.refunded(payment(("re_1", True)), moved("refund", "re_1", -301, 2))[0])

    def test_a_refund_that_nobody_asked_for_is_wrong(self):
        once, wrong = self.refunded(payment(("re_1", True)), moved("refund", "re_1", -300, 2), amount=0)
        self.assertFalse(once)
        self.assertTrue(wrong)

    def test_money_of_no_order_is_wrong(self):
        ledger = stripe_checks.Ledger([TAKEN, moved("charge", "ch_2", 5046, 2)])
        stripe_checks.captured("order", payment(), ledger, 5046)
        self.assertEqual(len(ledger.unexplained()), 1)
        self.assertIn("ch_2", ledger.unexplained()[0])

    def test_a_capture_under_two_keys_is_wrong(self):
        path = "/v1/payment_intents/pi_1/capture"
        self.assertEqual(stripe_checks.keys({"pi_1": "order"}, [(path, "a"), (path, "a")]), [])
        self.assertEqual(len(stripe_checks.keys({"pi_1": "order"}, [(path, "a"), (path, "b")])), 1)
        self.assertEqual(len(stripe_checks.keys({"pi_1": "order"}, [])), 1)


@unittest.skipUnless(EMULATOR, "HIKIATE_LAB_STRIPE names no emulator")
class Emulator(unittest.TestCase):
    """Of money that moved at the emulator, through the proxy and past it."""

    def setUp(self):
        self.moments = Moments()
        self.server = stripe_proxy.serve(EMULATOR, watch=self.moments)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.emulator = StripeAccount(EMULATOR)
        self.before = {one["id"] for one in self.emulator.transactions()}
        self.payment = StripeAccount(self.url).authorise(5046, "eur")
        self.capture = f"/v1/payment_intents/{self.payment}/capture"

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def post(self, path, key, url=None, **form):
        """Status, and whether it was replayed."""
        headers = {"Authorization": f"Bearer {KEY}"} | ({"Idempotency-Key": key} if key else {})
        data = urllib.parse.urlencode(form).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request((url or self.url) + path, data, headers), timeout=30) as answer:
                return answer.status, answer.headers.get("Idempotent-Replayed") == "true"
        except urllib.error.HTTPError as error:
            return error.code, error.headers.get("Idempotent-Replayed") == "true"

    def judged(self, refunded):
        ledger = stripe_checks.Ledger([one for one in self.emulator.transactions() if one["id"] not in self.before])
        intent = self.emulator.intent(self.payment)
        wrong = stripe_checks.captured("order", intent, ledger, 5046)[1] + stripe_checks.refunded("order", intent, ledger, refunded)[1]
        return wrong + ledger.unexplained()

    def test_a_key_takes_effect_once(self):
        self.assertEqual(self.post(self.capture, "a"), (200, False))
        self.assertEqual(self.post(self.capture, "a"), (200, True))
        self.assertEqual(self.post(self.capture, "b")[0], 400)
        refund = {"payment_intent": self.payment, "amount": 300}
        self.assertEqual(self.post("/v1/refunds", "c", **refund), (200, False))
        self.assertEqual(self.post("/v1/refunds", "c", **refund), (200, True))
        self.assertEqual(self.post("/v1/refunds", "c", **refund | {"amount": 301})[0], 400)
        self.assertEqual(self.judged(refunded=300), [])

    def test_what_was_given_back_twice_is_found(self):
        self.post(self.capture, "a")
        for key in ("b", "c"):
            self.post("/v1/refunds", key, payment_intent=self.payment, amount=300)
        self.assertEqual(len(self.judged(refunded=300)), 1)

    def test_what_was_taken_twice_is_found(self):
        self.post(self.capture, "a")
        again = StripeAccount(self.url).authorise(5046, "eur")
        self.post(f"/v1/payment_intents/{again}/capture", "b")
        self.assertEqual(len(self.judged(refunded=0)), 1)

    def test_what_was_never_taken_is_found(self):
        self.assertTrue(self.judged(refunded=0))

    def test_a_write_on_its_way_is_done_once_the_same_was_asked_again(self):
        killed = []
        self.moments.arm("arrived", "/capture", lambda: killed.append(True))
        first = threading.Thread(target=self.post, args=(self.capture, "a"))
        first.start()
        self.assertTrue(self.moments.strike())
        self.assertEqual(killed, [True])
        self.assertTrue(self.judged(refunded=0), "not done yet")
        self.assertFalse(self.moments.asked_again())
        self.assertEqual(self.post(self.capture, "a"), (409, False))
        self.assertTrue(self.moments.asked_again())
        first.join()
        self.assertEqual(self.post(self.capture, "a"), (200, True))
        self.assertEqual(self.judged(refunded=0), [])


if __name__ == "__main__":
    unittest.main()
