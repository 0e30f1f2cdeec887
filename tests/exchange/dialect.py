"""A client of the Coinbase dialect, as little of one as a test needs: it signs, sends and reads."""
import base64
import hashlib
import hmac
import json
import re
import socket
import time

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
