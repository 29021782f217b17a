"""What people do on the way: staff in the shop's own screens, an operator with commands."""
BY_HAND = "BYHAND-{}"  # the number that staff write down


class People:
    """One order per act."""

    def __init__(self, run):
        self.run, self.orders, self.woo = run, run.orders, run.orders.woo
        self.line = None  # of the refund

    def edit(self):
        """Staff order one more of a line. The shop lets them edit only what is on hold."""
        order = self.orders.of("edited")
        line = order.made["line_items"][0]
        # What two cost, as the shop says of another order.
        two = next(one for one in self.orders.of("refunded").made["line_items"] if one["product_id"] == line["product_id"])
        self.woo.put(f"orders/{order.id}", {"status": "on-hold"})
        more = {"id": line["id"], "quantity": two["quantity"], "subtotal": two["subtotal"], "total": two["total"]}
        self.woo.put(f"orders/{order.id}", {"line_items": [more]})
        self.woo.put(f"orders/{order.id}", {"status": "processing"})
        shown = self.orders.shown(order.id)
        if shown["line_items"][0]["quantity"] != two["quantity"] or shown["total"] == order.made["total"]:
            raise RuntimeError(f"{order.name}: the shop did not take the edit: quantity {shown['line_items'][0]['quantity']}, total {shown['total']}")

    def ship_by_hand(self):
        """Staff pack it themselves, write down the number and complete the order."""
        order = self.orders.of("by_hand")
        number = BY_HAND.format(order.id)
        if self.orders.fulfilments(order.id) is None:
            self.woo.post(f"orders/{order.id}/notes", {"note": f"Sent today with DHL, tracking {number}", "customer_note": False})
        else:
            items = [{"item_id": line["id"], "qty": line["quantity"]} for line in order.made["line_items"]]
            keys = {"_items": items, "_tracking_number": number, "_shipment_provider": "other", "_provider_name": "DHL"}
            self.woo.post(f"orders/{order.id}/fulfillments", {
                "status": "fulfilled", "is_fulfilled": True, "notify_customer": False,
                "meta_data": [{"id": 0, "key": key, "value": value} for key, value in keys.items()]})
        self.woo.put(f"orders/{order.id}", {"status": "completed"})

    def cancel(self):
        """An operator cancels it; hikiate tells the shop."""
        order = self.orders.of("cancelled")
        self.run.daemon.tell("order", "cancel", f"shop/{order.id}", "--reason", "the customer changed their mind")

    def refund(self):
        """An operator gives back what one line costs."""
        order = self.orders.of("refunded")
        self.line = str(order.made["line_items"][-1]["id"])
        words = ["order", "refund", f"shop/{order.id}", "--line", f"{self.line}=1", "--reason", "returned"]
        print(self.run.daemon.tell(*words, "--dry-run"), end="", flush=True)
        print(self.run.daemon.tell(*words), end="", flush=True)

    def are_seen(self, charged):
        """Whether hikiate knows what they did. `charged` is what the edited order cost before."""
        rows = {row["external_id"]: row["status"] for row in self.run.rows()}
        left = rows.get(self.orders.of("by_hand").id) in ("shipped", "delivered", "booked")
        cancelled = rows.get(self.orders.of("cancelled").id) == "cancelled"
        shown = self.orders.shown(self.orders.of("cancelled").id) if left and cancelled else {}
        return shown.get("status") == "cancelled" and self.charged() not in (None, charged)

    def charged(self):
        """What the edited order costs as hikiate knows it, minor units."""
        ledger = self.run.daemon.ask("order", "ledger", f"shop/{self.orders.of('edited').id}")
        return ledger and ledger["charged"]
