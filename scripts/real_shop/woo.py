"""A WooCommerce shop over its REST API v3, as its staff and their tools use it."""
import base64
import ipaddress
import json
import time
import urllib.error
import urllib.parse
import urllib.request

API = "/wp-json/wc/v3/"
NO_ROUTE = "rest_no_route"
PATIENCE = (1, 2, 4)  # seconds before a read is tried again


class Refused(RuntimeError):
    """The shop said no. `code` is its own word for it."""

    def __init__(self, words, status, code):
        super().__init__(words)
        self.status, self.code = status, code


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key to another address."""

    def redirect_request(self, *_):
        return None


def is_loopback(host):
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Woo:
    """The API of one shop with one key."""

    def __init__(self, url, key, secret):
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.username:
            raise RuntimeError(f"URL={url}: give the shop's address, as https://shop.example or https://shop.example/folder")
        if parts.scheme == "http" and not is_loopback(host):
            raise RuntimeError(f"URL={url}: plain http only to this machine (127.0.0.1, localhost): use https")
        self.url = url.rstrip("/")
        login = base64.b64encode(f"{key}:{secret}".encode()).decode()
        self.headers = {"authorization": f"Basic {login}", "content-type": "application/json", "accept": "application/json",
                        "user-agent": "hikiate-real-shop"}
        if parts.scheme == "http":
            # The shop takes such a login only where it believes that the request came over TLS.
            self.headers["x-forwarded-proto"] = "https"
        handlers = [NoRedirect()] + ([urllib.request.ProxyHandler({})] if is_loopback(host) else [])
        self.opener = urllib.request.build_opener(*handlers)

    def get(self, path, **query):
        """One thing or one page of a list."""
        return self._read(API + path, query)[0]

    def all(self, path, **query):
        """A whole list."""
        found = []
        for page in range(1, 1000):
            records, headers = self._read(API + path, {"per_page": 100, "page": page, **query})
            found += records
            if len(records) < 100:
                break
        return found

    def count(self, path, **query):
        """How many a list has."""
        total = self._read(API + path, {"per_page": 1, **query})[1].get("x-wp-total")
        if total is None:
            raise RuntimeError(f"{self.url}: answers have no X-WP-Total: something in front of the shop removes it")
        return int(total)

    def index(self):
        """What the shop says of itself."""
        return self._read("/wp-json/", {})[0]

    def post(self, path, body):
        return self._call("POST", API + path, body)[0]

    def put(self, path, body):
        return self._call("PUT", API + path, body)[0]

    def delete(self, path):
        """For good, and not into the bin."""
        return self._call("DELETE", API + path + "?force=true", None)[0]

    def _read(self, path, query):
        path = f"{path}?{urllib.parse.urlencode(query)}" if query else path
        for wait in (*PATIENCE, None):
            try:
                return self._call("GET", path, None)
            except (Refused, OSError) as error:
                if wait is None or isinstance(error, Refused) and error.status not in (429, 500, 502, 503, 504):
                    raise
                time.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _call(self, method, path, body):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, method=method, data=data, headers=self.headers)
        what = f"{method} {path.split('?')[0]}"
        try:
            with self.opener.open(request, timeout=90) as answer:
                return self._parsed(what, answer.read()), {k.lower(): v for k, v in answer.headers.items()}
        except urllib.error.HTTPError as error:
            told = error.read()
            try:
                said = self._parsed(what, told)
                code, message = said.get("code", ""), said.get("message", "")
            except (RuntimeError, AttributeError):
                code, message = "", told[:200].decode(errors="replace")
            if 300 <= error.code < 400:
                message = f"it redirects to {error.headers.get('location')}: give that shop's address"
            elif error.code == 404 and not code:
                message = f"no REST API there (is the address right, and are permalinks other than \"plain\"?): {message}"
            raise Refused(f"{what}: {error.code} {code} {message}", error.code, code) from None
        except OSError as error:
            raise OSError(f"{what} at {self.url}: {error}") from None

    @staticmethod
    def _parsed(what, body):
        try:
            return json.loads(body.decode("utf-8-sig"))
        except ValueError:
            raise RuntimeError(f"{what}: the answer is no JSON: {body[:200]!r}") from None
