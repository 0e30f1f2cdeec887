"""Clients of both dialects, as little of them as a test needs: they sign, send and read."""
import base64
import hashlib
import hmac
import json
import re
import socket
import time
import urllib.parse

OPTIONS = {"signing_secret": "of the tests alone, 32 bytes long",
           "admin_token": "the administrator of the tests"}
LENGTH = re.compile(rb"\r\nContent-Length: *([0-9]+)", re.IGNORECASE)


class Lost(Exception):
    """The connection ended before the answer did: what became of the request is not known."""


class Account:
    """What POST /sim/accounts answered."""

    def __init__(self, answer):
        self.number, self.key = answer["account"], answer["key"].encode()
        self.secret, self.passphrase = answer["secret"], answer["passphrase"].encode()
        self.decoded = base64.b64decode(self.secret)

    def signed(self, method, target, body=b""):
        """The request as bytes."""
        stamp = str(int(time.time())).encode()
        digest = hmac.digest(self.decoded, stamp + method + target + body, hashlib.sha256)
        return (b"%s %s HTTP/1.1\r\nHost: exchange\r\nCB-ACCESS-KEY: %s\r\nCB-ACCESS-SIGN: %s\r\n"
                b"CB-ACCESS-TIMESTAMP: %s\r\nCB-ACCESS-PASSPHRASE: %s\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                % (method, target, self.key, base64.b64encode(digest), stamp, self.passphrase,
                   len(body), body))


    def signed_hex(self, method, target, **parameters):
        """The same in the other dialect: all parameters in the query."""
        query = urllib.parse.urlencode({**parameters, "recvWindow": 60000,
                                        "timestamp": int(time.time() * 1000)})
        digest = hmac.new(self.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        return (f"{method} {target}?{query}&signature={digest} HTTP/1.1\r\nHost: exchange\r\n"
                f"X-MBX-APIKEY: {self.key.decode()}\r\nContent-Length: 0\r\n\r\n").encode()


def decimal(n, scale):
    return f"{n // 10 ** scale}.{n % 10 ** scale:0{scale}d}"


def lot_scale(symbol):
    return 6 if symbol in ("BTC-USD", "ETH-USD") else 3


class Coinbase:
    """Requests about one order, and what their answers mean."""

    @staticmethod
    def place(account, symbol, ask):
        body = {"product_id": symbol, "side": "buy" if ask.side > 0 else "sell", "type": ask.type,
                "stp": ask.stp, "client_oid": ask.client_id}
        if ask.type == "limit":
            body |= {"price": decimal(ask.price, 2), "time_in_force": ask.tif,
                     "post_only": ask.post_only}
        if ask.lots is not None:
            body["size"] = decimal(ask.lots, lot_scale(symbol))
        else:
            body["funds"] = decimal(ask.funds, 8)
        return account.signed(b"POST", b"/orders", json.dumps(body).encode())

    @staticmethod
    def find(account, _, client_id):
        return account.signed(b"GET", b"/orders/client:" + client_id.encode())

    @staticmethod
    def cancel(account, _, client_id):
        return account.signed(b"DELETE", b"/orders/client:" + client_id.encode())

    @staticmethod
    def is_missing(status, _):
        return status == 404

    @staticmethod
    def is_duplicate(_, __):
        return False  # it is answered with the order

    @staticmethod
    def told(value):
        """What the answer says of the stored row, column by column."""
        row = {"seq": int(value["sequence"])}
        if value["status"] == "done":
            row["done_seq"] = int(value["done_sequence"])
        return row


class Binance:
    STP = {"dc": "DECREMENT", "co": "EXPIRE_MAKER", "cn": "EXPIRE_TAKER", "cb": "EXPIRE_BOTH"}

    @classmethod
    def place(cls, account, symbol, ask):
        wish = {"symbol": symbol.replace("-", ""), "side": "BUY" if ask.side > 0 else "SELL",
                "type": "LIMIT_MAKER" if ask.post_only else ask.type.upper(),
                "selfTradePreventionMode": cls.STP[ask.stp], "newClientOrderId": ask.client_id}
        if ask.type == "limit":
            wish["price"] = decimal(ask.price, 2)
        if wish["type"] == "LIMIT":
            wish["timeInForce"] = ask.tif
        if ask.lots is not None:
            wish["quantity"] = decimal(ask.lots, lot_scale(symbol))
        else:
            wish["quoteOrderQty"] = decimal(ask.funds, 8)
        return account.signed_hex("POST", "/api/v3/order", **wish)

    @staticmethod
    def find(account, symbol, client_id):
        return account.signed_hex("GET", "/api/v3/order", symbol=symbol.replace("-", ""),
                                  origClientOrderId=client_id)

    @staticmethod
    def cancel(account, symbol, client_id):
        return account.signed_hex("DELETE", "/api/v3/order", symbol=symbol.replace("-", ""),
                                  origClientOrderId=client_id)

    @staticmethod
    def is_missing(status, value):
        return status == 400 and value["code"] == -2013

    @staticmethod
    def is_duplicate(status, value):
        return status == 400 and value["msg"] == "Duplicate order sent."

    @staticmethod
    def told(value):
        row = {"id": value["orderId"]}
        if value.get("status") == "FILLED":  # an acknowledgement alone has none
            row["done_reason"] = "filled"
        return row


def split(data):
    """(status, body) of an answer that is whole, else None."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return None
    found = LENGTH.search(data, 0, end + 2)
    length = int(found.group(1)) if found else 0
    if len(data) < end + 4 + length:
        return None
    return int(data[9:12]), bytes(data[end + 4:end + 4 + length])


class Connection:
    """Kept alive; opened again when it was lost."""

    def __init__(self, port, timeout_s=60):
        self.port, self.timeout_s, self.socket = port, timeout_s, None

    def close(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def ask(self, request):
        """(status, body).  Lost: it may have been done, or not."""
        try:
            if self.socket is None:
                self.socket = socket.create_connection(("127.0.0.1", self.port), self.timeout_s)
            self.socket.sendall(request)
            data = bytearray()
            while (answer := split(data)) is None:
                part = self.socket.recv(65536)
                if not part:
                    raise Lost("closed")
                data += part
        except (OSError, Lost) as fault:
            self.close()
            raise Lost(str(fault)) from fault
        if re.search(rb"\r\nConnection: *close", data, re.IGNORECASE):
            self.close()
        return answer


class Administrator:
    def __init__(self, port):
        self.connection, self.token = Connection(port), OPTIONS["admin_token"].encode()

    def ask(self, method, target, value=None):
        body = b"" if value is None else json.dumps(value).encode()
        status, answer = self.connection.ask(
            b"%s %s HTTP/1.1\r\nHost: exchange\r\nAuthorization: Bearer %s\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (method, target, self.token, len(body), body))
        assert status in (200, 201), (status, answer)
        return json.loads(answer)

    def open(self, **deposits):
        return Account(self.ask(b"POST", b"/sim/accounts", {"deposits": deposits}))
