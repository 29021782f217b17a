"""A merchant's configuration: what all runs have, and the lab's systems."""
import stripe_account

TITLES = {"sales": "Income:Sales", "returns": "Income:Returns", "receivable": "Assets:Receivable", "tax": "Liabilities:VAT", "rounding": "Expenses:Rounding",
          "advance": "Liabilities:Advances"}
ZONE = "Europe/Berlin"

# What every merchant of these runs has.
BASE = """\
[shop]
name = "{name}"
timezone = "{zone}"
currency = "{currency}"
tax_rounding = "half-up"

[database]
state_dir = "state"

[log]
format = "pretty"
level = "info,hikiate=debug"

[http]
listen = "off"

[engine]
idle = "200ms"

[accounts.books]
connector = "files"
folder = "books"
layout = "hledger"

[delivery]
presume = "0s"
presume_abroad = "0s"

[booking]
recognise = "shipped"
account = "books"
close = {{ every = "10s" }}
titles = {{ {titles} }}

"""

LAB = """\
[accounts.shop]
connector = "medusa"
url = "{url}"
token = {{ file = "medusa-key" }}
interval = "1s"
overlap = "20s"
settle = "3s"
sales_channel = "{sales_channel}"
since = "{since}"

# The same shop's other channel: its cards are charged at Stripe, whose name of a payment is in the order.
[accounts.card-shop]
connector = "medusa"
url = "{url}"
token = {{ file = "medusa-key" }}
interval = "1s"
overlap = "20s"
settle = "3s"
sales_channel = "{card_channel}"
since = "{since}"
payment_reference = "metadata.payment_intent"

[accounts.stripe]
connector = "stripe"
url = "{stripe}"
secret = {{ file = "stripe-key" }}
interval = "1s"
since = "{since}"

[accounts.three-pl]
connector = "files"
layout = "japanese-3pl-utf8"
outgoing = "in"
incoming = "out"
interval = "1s"
stable_for = "300ms"
[accounts.three-pl.sftp]
host = "127.0.0.1"
port = {sftp_port}
user = "{sftp_user}"
host_key = "{fingerprint}"
key = {{ file = "sftp-key" }}
root = "{root}"

[accounts.post]
connector = "smtp"
host = "127.0.0.1"
port = {smtp_port}
tls = "none"
from = "Mug Shop <shop@lab.test>"

[channels.shop]
mail = ["shipped"]
payments = {{ "pp_system_default" = {{ method = "card", account = "shop" }} }}
locations = {{ berlin = "{location}" }}
refresh = "5s"

[channels.card-shop]
mail = ["shipped"]
payments = {{ "pp_system_default" = {{ method = "card", account = "stripe" }} }}
locations = {{ berlin = "{location}" }}
refresh = "5s"

[warehouses.berlin]
account = "three-pl"
dispatch = {{ mode = "continuous" }}
reply_within = "5m"

[mail]
account = "post"
language = "en"
"""


def place(folder, secrets, more, *, name, zone, currency):
    """Writes hikiate.toml and the files of the secrets it names into `folder`; returns its path. `more` follows what all have."""
    for file, secret in secrets.items():
        (folder / file).touch(mode=0o600)
        (folder / file).write_text(secret, encoding="utf-8")
    (folder / "books/outgoing").mkdir(parents=True)
    titles = ", ".join(f'{key} = "{title}"' for key, title in TITLES.items())
    config = folder / "hikiate.toml"
    config.write_text(BASE.format(name=name, zone=zone, currency=currency, titles=titles) + more, encoding="utf-8")
    return config


def write(folder, seed, *, sales_channel, card_channel, stripe, since, sftp_port, sftp_user, sftp_key, fingerprint, root, smtp_port):
    """The lab's: Medusa twice, Stripe, SFTP and SMTP."""
    more = LAB.format(url=seed["url"], location=seed["location"], sales_channel=sales_channel, card_channel=card_channel,
                      stripe=stripe, since=since, sftp_port=sftp_port,
                      sftp_user=sftp_user, fingerprint=fingerprint, root=root, smtp_port=smtp_port)
    secrets = {"medusa-key": seed["secret_key"], "stripe-key": stripe_account.KEY, "sftp-key": sftp_key.read_text()}
    return place(folder, secrets, more, name="Mug Shop", zone=ZONE, currency="EUR")
