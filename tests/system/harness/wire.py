"""HTTP/1.1 as bytes on a socket: what is sent is what the test says, what comes is told apart
strictly, so that a byte too many fails the test."""
import json
import socket


class Response:
    """One response, as it came."""

    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    def header(self, name):
        """Its only value, or None; several are a fault of the test that asks."""
        values = [v for n, v in self.headers if n.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.reason} {self.headers} {self.body[:200]!r}>"


class Closed(Exception):
    """The server closed the connection before the response was whole."""


class Connection:
    """A client's connection.  Every read has a deadline."""

    def __init__(self, address, timeout_s=30):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_s)
        self.socket.connect(address)
        self.unread = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data.encode() if isinstance(data, str) else data)

    def request(self, method, target, headers=None, body=None):
        """Sends one well-formed request and reads its response."""
        lines = [f"{method} {target} HTTP/1.1"]
        fields = {"Host": "test", **(headers or {})}
        if isinstance(body, str):
            body = body.encode()
        if body is not None:
            fields.setdefault("Content-Length", str(len(body)))
        lines += [f"{name}: {value}" for name, value in fields.items()]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
        return self.response(method)

    def response(self, method="GET"):
        """Reads one final response; interim ones are passed over."""
        while True:
            status, reason, headers = self.head()
            if status >= 200 or status == 101:
                break
        body = b"" if method == "HEAD" or status in (101, 204, 304) else self.body(headers)
        return Response(status, reason, headers, body)

    def head(self):
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")[:-2]
        version, status, reason = lines[0].split(" ", 2)
        assert version in ("HTTP/1.1", "HTTP/1.0"), lines[0]
        headers = []
        for line in lines[1:]:
            name, value = line.split(":", 1)
            headers.append((name, value.strip(" \t")))
        return int(status), reason, headers

    def body(self, headers):
        fields = {name.lower(): value for name, value in headers}
        if fields.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self.chunks())
        if "content-length" in fields:
            return self.exactly(int(fields["content-length"]))
        return self.rest()

    def chunks(self):
        """The chunks of a body, each as it comes."""
        while True:
            size = int(self.until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                assert self.until(b"\r\n") == b"\r\n", "trailers"
                return
            yield self.exactly(size)
            assert self.exactly(2) == b"\r\n", "a chunk that is longer than it says"

    def until(self, mark):
        while mark not in self.unread:
            self.receive()
        data, mark, self.unread = self.unread.partition(mark)
        return data + mark

    def exactly(self, n):
        while len(self.unread) < n:
            self.receive()
        data, self.unread = self.unread[:n], self.unread[n:]
        return data

    def rest(self):
        """Everything until the server closes; a reset counts as closed."""
        try:
            while True:
                self.receive()
        except (Closed, ConnectionResetError):
            data, self.unread = self.unread, b""
            return data

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed(f"closed by the server after {self.unread[:200]!r}")
        self.unread += data
