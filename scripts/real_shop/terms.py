"""The configuration of the run: one WooCommerce account, a warehouse by files in a folder, books for hledger."""
import merchant

MORE = """\
[accounts.shop]
connector = "woocommerce"
url = "{url}"
key = {{ file = "woo-key" }}
secret = {{ file = "woo-secret" }}
interval = "2s"
overlap = "30s"
since = "{since}"
complete_when_shipped = true

[accounts.three-pl]
connector = "files"
folder = "depot"
layout = "japanese-3pl-utf8"
outgoing = "in"
incoming = "out"
interval = "1s"
stable_for = "300ms"

[channels.shop]
payments = {{ "bacs" = {{ method = "prepaid" }} }}
completed = "shipped"
others_ship_from = "depot"
refresh = "1m"
{default_tax}
[warehouses.depot]
account = "three-pl"
dispatch = {{ mode = "continuous" }}
reply_within = "5m"

[allocation]
expire_unpaid = "never"

# Two of the walls before orders of others: their goods are no items here, and a rule holds them.
[catalogue]
mapping = "listed"
file = "items.csv"

[[hold]]
name = "not-of-this-run"
when = '!lines.all(line, line.sku.startsWith("{run}-"))'
release = "manual"
"""


def write(folder, woo, key, secret, *, run, skus, since, zone, currency, untaxed):
    """Writes the configuration and what it names; returns its path."""
    rows = [f"{sku},{account},{sku},1" for sku in skus for account in ("shop", "three-pl")]
    (folder / "items.csv").write_text("\n".join(["item,account,code,multiplier", *rows, ""]))
    more = MORE.format(url=woo.url, since=since, run=run.upper(), default_tax='default_tax = "0"\n' if untaxed else "")
    return merchant.place(folder, {"woo-key": key, "woo-secret": secret}, more, name="Test run", zone=zone, currency=currency)
