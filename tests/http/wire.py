"""The wire as a client sees it: a socket that keeps every byte, and a strict reader of answers.

Nothing here is lenient: an answer that RFC 9112 does not allow is reported as a fault, so that a
case need not look for it.
"""
import re
import select
import socket
import time

STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([1-5][0-9]{2}) ([\t\x20-\x7e\x80-\xff]*)")
FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*"
                   rb"((?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*")
CHUNK = re.compile(rb"([0-9A-Fa-f]+)(;[^\r\n\0]*)?")


class Response:
    """One answer as it was parsed; `faults` are sentences about what RFC 9112 forbids."""

    def __init__(self, version, status, fields):
        self.version = version
        self.status = status
        self.fields = fields
        self.body = b""
        self.framing = "none"  # none, length, chunked, close
        self.faults = []

    def values(self, name):
        return [value for key, value in self.fields if key == name.lower()]

    def value(self, name, default=b""):
        return (self.values(name) or [default])[0]

    def members(self, name):
        """The comma-separated members of a list field, in lower case."""
        return [member.strip().lower() for value in self.values(name)
                for member in value.split(b",") if member.strip()]

    @property
    def says_close(self):
        return b"close" in self.members("connection")


class Parsed:
    """Answers in their order, and what was left: end is "", "cut" (incomplete) or "garbage"."""

    def __init__(self):
        self.responses = []
        self.end = ""
        self.rest = b""

    @property
    def finals(self):
        return [response for response in self.responses if response.status >= 200]


def parse(raw, methods=(), is_closed=True):
    """Parses a whole stream; `methods` are those of the requests, GET beyond them."""
    parsed, at, n_final = Parsed(), 0, 0
    while at < len(raw):
        method = methods[n_final] if n_final < len(methods) else "GET"
        try:
            response, after = parse_one(raw, at, method, is_closed)
        except ValueError as fault:
            parsed.end = "garbage"
            parsed.rest = str(fault).encode() + b": " + raw[at:]
            break
        if response is None:
            parsed.end, parsed.rest = "cut", raw[at:]
            break
        parsed.responses.append(response)
        n_final += response.status >= 200
        at = after
        if response.status == 101 or (method == "CONNECT" and 200 <= response.status < 300):
            parsed.rest = raw[at:]
            break
    return parsed


def parse_one(raw, at, method, is_closed):
    end = raw.find(b"\r\n\r\n", at)
    if not b"HTTP/1.".startswith(raw[at:at + 7]):
        raise ValueError("expected a status line")
    if end < 0:
        return None, at
    response = parse_head(raw[at:end])
    after = parse_body(response, raw, end + 4, method, is_closed)
    return (None, at) if after is None else (response, after)


def parse_head(head):
    first, *lines = head.split(b"\r\n")
    match = STATUS_LINE.fullmatch(first)
    if not match:
        raise ValueError("malformed status line")
    fields = []
    for line in lines:
        field = FIELD.fullmatch(line)
        if not field:
            raise ValueError("malformed field line %r" % line)
        fields.append((field[1].decode().lower(), field[2]))
    return Response(match[1], int(match[2]), fields)


def parse_body(response, raw, at, method, is_closed):
    """Sets body and framing; returns where the next answer begins, None when bytes are missing."""
    codings, lengths = response.members("transfer-encoding"), response.values("content-length")
    if codings and lengths:
        response.faults.append("both Transfer-Encoding and Content-Length (9112 6.2)")
    if len(lengths) > 1 or any(not re.fullmatch(rb"[0-9]+", length) for length in lengths):
        raise ValueError("bad Content-Length %r" % lengths)
    if codings not in ([], [b"chunked"]):
        raise ValueError("bad Transfer-Encoding %r" % codings)
    if response.status < 200 or response.status == 204:
        if codings or lengths:
            response.faults.append("framing fields in a %d (9112 6.1, 9110 8.6)" % response.status)
        return at
    if method == "HEAD" or response.status == 304:
        return at
    if codings:
        response.framing = "chunked"
        return parse_chunks(response, raw, at)
    if lengths:
        response.framing = "length"
        end = at + int(lengths[0])
        response.body = raw[at:end]
        return end if end <= len(raw) else None
    response.framing = "close"
    response.body = raw[at:]
    return len(raw) if is_closed else None


def parse_chunks(response, raw, at):
    parts = []
    while True:
        end = raw.find(b"\r\n", at)
        if end < 0:
            return None
        line = CHUNK.fullmatch(raw[at:end])
        if not line:
            raise ValueError("malformed chunk line %r" % raw[at:end])
        size, at = int(line[1], 16), end + 2
        if size == 0:
            break
        if len(raw) < at + size + 2:
            return None
        parts.append(raw[at:at + size])
        if raw[at + size:at + size + 2] != b"\r\n":
            raise ValueError("chunk data without its CRLF")
        at += size + 2
    response.body = b"".join(parts)
    while True:  # the trailer section
        end = raw.find(b"\r\n", at)
        if end < 0:
            return None
        if end == at:
            return end + 2
        if not FIELD.fullmatch(raw[at:end]):
            raise ValueError("malformed trailer %r" % raw[at:end])
        at = end + 2


class Wire:
    """A connection that reads while it writes, so that neither side can block the other."""

    def __init__(self, address, deadline):
        self.deadline = deadline
        self.received = bytearray()
        self.is_closed = False  # the server has ended its side
        self.is_broken = False  # it takes no more bytes
        self.socket = socket.create_connection(address,
                                               timeout=max(0.1, deadline - time.monotonic()))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def close(self):
        self.socket.close()

    @property
    def is_late(self):
        return time.monotonic() >= self.deadline

    def send(self, data):
        view = memoryview(data)
        while view and not self.is_broken and not self.is_late:
            try:
                view = view[self.socket.send(view):]
            except BlockingIOError:
                self.wait(select.POLLIN | select.POLLOUT)
            except OSError:
                self.is_broken = True

    def dribble(self, data, pieces=400, gap_s=0.0001):
        """Sends in small pieces; the gaps only make it likely that the server sees them apart."""
        size = max(1, len(data) // pieces)
        for at in range(0, len(data), size):
            if self.is_broken or self.is_closed:
                return
            self.send(data[at:at + size])
            time.sleep(gap_s)

    def finish_sending(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            self.is_broken = True

    def wait(self, events):
        """Waits for the socket until the deadline and takes in what there is to read."""
        poll = select.poll()
        poll.register(self.socket, events if not self.is_closed else events & ~select.POLLIN)
        left = self.deadline - time.monotonic()
        ready = poll.poll(max(0, left * 1000))
        if ready and not self.is_closed and ready[0][1] & ~select.POLLOUT:
            self.receive()

    def receive(self):
        try:
            data = self.socket.recv(1 << 18)
            self.received += data
            self.is_closed = not data
        except BlockingIOError:
            pass
        except OSError:  # a reset is an end too, after all bytes that came before it
            self.is_closed = self.is_broken = True

    def read_until(self, is_enough):
        while not self.is_closed and not self.is_late and not is_enough():
            self.wait(select.POLLIN)

    def read_to_end(self):
        self.read_until(lambda: False)
