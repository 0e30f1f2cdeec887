"""The feed at several instances: a stream goes on at another one and after a worker was killed, a
socket that does not keep up is closed with a code, and what they tell adds up to the book."""
import json
import os
import signal

import pytest

import dialect
from harness import wire, websocket
from harness.wait import until

PLUGINS = {"exchange": {"options": dialect.OPTIONS}}
CONFIG = {"server": {"workers": 2}}
SYMBOL = "BTC-USD"


@pytest.fixture
def instances(server, new_database):
    """Two servers on one database."""
    url = new_database()
    first = server(CONFIG, PLUGINS, url=url)
    second = server(CONFIG, PLUGINS, url=url, migrate=False)
    return first, second


class Trader:
    def __init__(self, instance):
        self.account = dialect.Administrator(instance.port).open(USD="1000000000", BTC="10000")
        self.connection = dialect.Connection(instance.port)

    def order(self, side, price, size):
        body = json.dumps({"product_id": SYMBOL, "side": side, "price": price, "size": size})
        status, answer = self.connection.ask(self.account.signed(b"POST", b"/orders", body.encode()))
        assert status == 200, answer

    def cancel_all(self):
        status, answer = self.connection.ask(self.account.signed(b"DELETE", b"/orders"))
        assert status == 200, answer


class Stream:
    """Server-sent events of an instance, each (name, id, data)."""

    def __init__(self, instance, last_id=None):
        field = "" if last_id is None else f"Last-Event-ID: {last_id}\r\n"
        self.connection = wire.Connection(("127.0.0.1", instance.port))
        self.connection.send(f"GET /sim/stream/{SYMBOL} HTTP/1.1\r\nHost: test\r\n{field}\r\n")
        assert self.connection.head()[0] == 200
        self.chunks, self.text = self.connection.chunks(), ""

    def next(self):
        while "\n\n" not in self.text:
            self.text += next(self.chunks).decode()
        event, self.text = self.text.split("\n\n", 1)
        fields = dict(line.split(": ", 1) for line in event.splitlines())
        return fields["event"], int(fields["id"]), json.loads(fields["data"])

    def until(self, last_id):
        events = [self.next()]
        while events[-1][1] < last_id:
            events.append(self.next())
        return events


def book_of(events):
    """The levels that a snapshot and what follows add up to."""
    book = {}
    for name, _, data in events:
        if name == "snapshot":
            book = {("buy", price): size for price, size in data["bids"]}
            book |= {("sell", price): size for price, size in data["asks"]}
        for side, price, size in data.get("changes", []):
            book[side, price] = size
    return {level: size for level, size in book.items() if size != "0"}


def trade_a_little(trader, other):
    for i in range(10):
        trader.order("sell", f"{50000 + i}", "0.3")
        other.order("buy", f"{50000 + i}", "0.2")
    trader.cancel_all()
    trader.order("sell", "51000", "0.5")


def last_seq(instance):
    return int(instance.query("SELECT seq FROM exchange.market WHERE instrument = 1")[0][0])


def test_a_stream_goes_on_at_another_instance(instances):
    first, second = instances
    traders = Trader(first), Trader(second)
    stream = Stream(first)
    seen = [stream.next()]
    assert seen[0][0] == "snapshot"
    trade_a_little(*traders)
    seen += stream.until(7)
    stream.connection.close()

    while seen[-1][1] < last_seq(first):
        stream = Stream(second if len(seen) % 2 else first, seen[-1][1])
        seen.append(stream.next())
        stream.connection.close()

    numbers = [number for _, number, _ in seen]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert book_of(seen) == book_of([Stream(second).next()]) == {("sell", "51000"): "0.5"}


def test_a_stream_goes_on_after_its_worker_was_killed(instances):
    first, second = instances
    traders = Trader(second), Trader(second)
    stream = Stream(first)
    seen = [stream.next()]
    for worker in first.workers():
        os.kill(worker, signal.SIGKILL)
    trade_a_little(*traders)

    def come_back():
        try:
            return Stream(first, seen[-1][1])
        except (OSError, wire.Closed):
            return None

    seen += until(come_back, "a stream again").until(last_seq(first))
    numbers = [number for _, number, _ in seen]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert book_of(seen) == {("sell", "51000"): "0.5"}


def test_a_socket_that_does_not_keep_up_is_closed_with_a_code(instances):
    first, second = instances
    trader = Trader(second)
    for i in range(300):
        trader.order("sell", f"{50000 + i}", "0.001")
    slow = websocket.WebSocket(("127.0.0.1", first.port), "/")
    ask = [json.dumps({"type": verb, "product_ids": [SYMBOL], "channels": ["level2"]})
           for verb in ("subscribe", "unsubscribe")]

    slow.text(ask[0].replace("level2", "heartbeat"))  # which keeps the product at hand
    while json.loads(slow.message())["type"] != "heartbeat":
        pass
    # A book for each two of them, 8 MB in all, which no buffer of the kernel takes.
    slow.send(b"".join(websocket.frame(websocket.TEXT, text) for _ in range(1200) for text in ask))

    n_books, code = 0, None
    while code is None:
        opcode, payload = slow.frame()
        if opcode == websocket.CLOSE:
            code = int.from_bytes(payload[:2], "big")
        elif opcode == websocket.TEXT:
            message = json.loads(payload)
            n_books += message["type"] == "snapshot"
            assert "asks" not in message or len(message["asks"]) == 300
    assert code == 1013
    assert n_books < 1200
    assert Stream(first).next()[0] == "snapshot"  # nobody else minds
