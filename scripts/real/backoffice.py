"""Medusa as its staff use it, by the Admin API; what only its database can do is done there."""
import os
import subprocess

DATABASE = os.environ.get("HIKIATE_LAB_MEDUSA_DB", "postgres://postgres@127.0.0.1:55440/medusa")


class Backoffice:
    """Acts on orders of the shop, each by the order's id. Whatever the shop refuses is raised."""

    def __init__(self, shop):
        self.shop = shop

    def ship_by_hand(self, order, skus, tracking):
        """Packs all pieces of these items at the warehouse's place and marks them as shipped."""
        items = [{"id": item["id"], "quantity": item["detail"]["quantity"]}
                 for item in self.shop.order(order)["items"] if item["variant_sku"] in skus]
        body = {"items": items, "location_id": self.shop.seed["location"]}
        self._post(f"orders/{order}/fulfillments", body)
        packed = next(f["id"] for f in self.shop.order(order)["fulfillments"] if not f.get("shipped_at"))
        label = {"tracking_number": tracking, "tracking_url": "", "label_url": ""}
        self._post(f"orders/{order}/fulfillments/{packed}/shipments", {"items": items, "labels": [label]})

    def move_to(self, order, street):
        """Another street; the order's time of change moves, its version does not."""
        address = self.shop.address | {"address_1": street}
        self._post(f"orders/{order}", {"shipping_address": address})

    def lower(self, order, sku, quantity):
        """An edit: the shop voids the payment and asks for a new one."""
        line = next(item["id"] for item in self.shop.order(order)["items"] if item["variant_sku"] == sku)
        self._post("order-edits", {"order_id": order})
        self._post(f"order-edits/{order}/items/item/{line}", {"quantity": quantity})
        self._post(f"order-edits/{order}/confirm", {})

    def capture(self, order):
        """Captures the whole payment in the console."""
        payment = self._payment(order)
        self._post(f"payments/{payment['id']}/capture", {})

    def refund(self, order, amount):
        """Gives a part of the payment back."""
        payment = self._payment(order)
        self._post(f"payments/{payment['id']}/refund", {"amount": float(amount)})

    @staticmethod
    def _payment(order):
        return order["payment_collections"][0]["payments"][0]

    def cancel(self, order):
        self._post(f"orders/{order}/cancel", {})

    def complete(self, order):
        self._post(f"orders/{order}/complete", {})

    def delete(self, order):
        """The shop has no call for it."""
        self._sql(f"UPDATE \"order\" SET deleted_at = now() WHERE id = '{order}' AND deleted_at IS NULL")

    def restore(self, order):
        self._sql(f"UPDATE \"order\" SET deleted_at = NULL WHERE id = '{order}' AND deleted_at IS NOT NULL")

    def fulfilments_of_deleted(self, order):
        """How many fulfilments a deleted order has; the API does not show it."""
        return int(self._sql(f"SELECT count(*) FROM order_fulfillment WHERE order_id = '{order}' AND deleted_at IS NULL", None))

    def captures(self, payment):
        """Captures of a payment, also of a deleted order."""
        return self.shop.call(f"/admin/payments/{payment}?fields=id,captures.amount")["payment"]["captures"]

    def _post(self, path, body):
        return self.shop.call(f"/admin/{path}", body)

    def _sql(self, statement, expected="UPDATE 1"):
        done = subprocess.run(["psql", "-X", "-At", "-v", "ON_ERROR_STOP=1", "-c", statement, DATABASE], capture_output=True,
                              text=True, timeout=30, check=False)
        said = done.stdout.strip()
        if done.returncode != 0 or expected not in (None, said):
            raise RuntimeError(f"{statement}: {done.stderr.strip() or said}")
        return said
