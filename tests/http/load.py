#!/usr/bin/python3
"""A load client that knows what it asked: a token in each request, each answer compared.

    load.py --target host:port [--mode keepalive|pipelined|oneshot] [--connections C]
            [--count N] [--seconds S] [--routes token,echo,db] [--allow 503]

It ends after N requests, S seconds or SIGINT, whichever is first, prints the totals as one line of JSON,
and exits with 1 when an answer was crossed, lost, truncated, repeated or had another status.
"""
import argparse
import asyncio
import dataclasses
import json
import os
import re
import secrets
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import wire  # noqa: E402

MODES = {"keepalive": 1, "pipelined": 16, "oneshot": 1}  # requests on their way on one connection
PER_CONNECTION = 200  # then a new one, so that opening and closing are part of it
ANSWER_S = 30  # reached only by an answer that never comes
TOKEN = re.compile(rb"L[0-9a-f]{8}\.([0-9]+)\.")


@dataclasses.dataclass
class Totals:
    """requests = answered + refused + lost + raced; all but answered and raced are faults."""
    requests: int = 0
    answered: int = 0
    crossed: int = 0    # the answer to another request
    repeated: int = 0   # an answer that was already given
    truncated: int = 0  # shorter than it says, or otherwise altered
    lost: int = 0       # no answer
    surplus: int = 0    # bytes after the last answer
    refused: dict = dataclasses.field(default_factory=dict)  # by status
    raced: int = 0      # asked on a connection that the server was closing while idle; asked again
    unasked: int = 0    # pipelined behind an answer that said close; asked again
    connections: int = 0
    seconds: float = 0.0

    def faults(self, allowed=()):
        refused = sum(n for status, n in self.refused.items() if status not in allowed)
        return self.crossed + self.repeated + self.truncated + self.lost + self.surplus + refused


@dataclasses.dataclass
class Request:
    serial: int
    wire: bytes
    expected: bytes


class Load:
    """What all connections share; everything runs on one loop."""

    def __init__(self, address, mode, count, seconds, routes):
        self.address, self.mode, self.routes = address, mode, routes
        self.left, self.until = count, time.monotonic() + seconds if seconds else None
        self.name = b"L" + secrets.token_hex(4).encode()
        self.serial = 0
        self.pending = set()
        self.again = []  # to be asked again
        self.totals = Totals()
        self.tells_begin = False
        self.rate, self.due = 0, time.monotonic()

    def is_over(self):
        is_late = self.until is not None and time.monotonic() >= self.until
        return is_late or (self.left <= 0 and not self.again)

    def stop(self):
        self.until = time.monotonic()

    async def pace(self):
        """Waits for the next batch's turn, so that all together make rate of them a second."""
        if self.rate:
            now = time.monotonic()
            self.due = max(self.due + 1 / self.rate, now)
            await asyncio.sleep(self.due - now)

    def take(self, count):
        """Up to so many requests, those first that have to be asked again."""
        batch = self.again[:count]
        del self.again[:count]
        while len(batch) < count and self.left > 0:
            self.left -= 1
            batch.append(self.make())
        self.totals.requests += len(batch)
        self.pending.update(request.serial for request in batch)
        return batch

    def make(self):
        self.serial += 1
        token = b"%s.%d." % (self.name, self.serial)
        route = self.routes[self.serial % len(self.routes)]
        if route == "echo":
            body = token * (1 + self.serial * 7919 % 400)
            head = (b"POST /probe/echo HTTP/1.1\r\nHost: load\r\n"
                    b"Content-Type: text/plain\r\nContent-Length: %d\r\n")
            return Request(self.serial, head % len(body) + b"%s\r\n" + body, body)
        path = b"/probe/token/" if route == "token" else b"/probe/db/read?tok="
        return Request(self.serial, b"GET " + path + token + b" HTTP/1.1\r\nHost: load\r\n%s\r\n",
                       token)

    def give_back(self, batch, counter):
        """These were not answered, and may be asked again: nothing of them was begun."""
        setattr(self.totals, counter, getattr(self.totals, counter) + len(batch))
        self.totals.requests -= len(batch)
        self.pending.difference_update(request.serial for request in batch)
        self.again += batch

    def judge(self, request, status, body):
        if status != 200:
            self.totals.refused[status] = self.totals.refused.get(status, 0) + 1
        elif body == request.expected:
            self.totals.answered += 1
        else:
            self.blame(request, body)
        self.pending.discard(request.serial)

    def blame(self, request, body):
        others = {int(serial) for serial in TOKEN.findall(body)} - {request.serial}
        if others - self.pending:
            self.totals.repeated += 1
        elif others:
            self.totals.crossed += 1
        else:
            self.totals.truncated += 1


class Connection:
    """One connection from its opening to the last answer on it."""

    def __init__(self, load):
        self.load = load
        self.n_answered = 0
        self.has_said_close = False

    async def run(self):
        self.load.totals.connections += 1
        try:
            self.reader, self.writer = await asyncio.open_connection(*self.load.address)
        except OSError:
            self.load.totals.lost += len(self.load.take(1))
            return
        try:
            while not self.has_said_close and not self.load.is_over():
                await self.load.pace()
                if not await self.exchange():
                    return
            await self.expect_end()
        finally:
            self.writer.close()

    async def exchange(self):
        """One batch and its answers; False when the connection is of no more use."""
        depth = MODES[self.load.mode]
        batch = self.load.take(depth)
        is_last = self.load.mode == "oneshot" or self.n_answered + len(batch) >= PER_CONNECTION
        is_last = is_last or self.load.left <= 0
        for request in batch:
            option = b"Connection: close\r\n" if is_last and request is batch[-1] else b""
            self.writer.write(request.wire.replace(b"%s", option, 1))
        for at, request in enumerate(batch):
            if self.has_said_close:
                self.load.give_back(batch[at:], "unasked")
                return True
            if not await self.answer(request, batch[at + 1:], at == 0):
                return False
        return True

    async def answer(self, request, behind, is_first):
        try:
            status, body = await asyncio.wait_for(self.read(), ANSWER_S)
        except (asyncio.IncompleteReadError, OSError, asyncio.TimeoutError, ValueError) as error:
            self.fail(request, behind, is_first, error)
            return False
        self.n_answered += 1
        self.load.judge(request, status, body)
        return True

    def fail(self, request, behind, is_first, error):
        has_begun = bool(getattr(error, "partial", b""))
        is_end = isinstance(error, (asyncio.IncompleteReadError, OSError)) and not isinstance(
            error, asyncio.TimeoutError)
        if is_end and not has_begun and is_first and self.n_answered > 0:
            self.load.give_back([request] + behind, "raced")
            return
        broken = "truncated" if has_begun or isinstance(error, ValueError) else "lost"
        setattr(self.load.totals, broken, getattr(self.load.totals, broken) + 1)
        self.load.totals.lost += len(behind)

    async def read(self):
        head = await self.reader.readuntil(b"\r\n\r\n")
        response = wire.parse_head(head[:-4])
        self.has_said_close = response.says_close
        if response.members("transfer-encoding") == [b"chunked"]:
            return response.status, await self.read_chunks()
        length = response.value("content-length")
        if not length.isdigit():
            raise ValueError("no Content-Length")
        try:
            return response.status, await self.reader.readexactly(int(length))
        except asyncio.IncompleteReadError as error:
            raise ValueError("the body ends early") from error

    async def read_chunks(self):
        parts = []
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size + 2)
            if data[-2:] != b"\r\n":
                raise ValueError("chunk data without its CRLF")
            if size == 0:
                return b"".join(parts)
            parts.append(data[:-2])

    async def expect_end(self):
        """After the last answer comes nothing; a server that was asked to close does."""
        if not self.has_said_close:
            return
        try:
            rest = await asyncio.wait_for(self.reader.read(65536), ANSWER_S)
        except OSError:
            rest = b""
        except asyncio.TimeoutError:
            rest = b"open"
        self.load.totals.surplus += len(rest)


async def client(load):
    while not load.is_over():
        await Connection(load).run()


async def run_clients(load, connections):
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, load.stop)
    if load.tells_begin:
        print("begun", flush=True)
    await asyncio.gather(*(client(load) for _ in range(connections)))


def run(address, mode="keepalive", count=10000, seconds=0, connections=20,
        routes=("token", "echo"), tells_begin=False, rate=0):
    """Runs to the end and returns the Totals."""
    load = Load(address, mode, count, seconds, routes)
    load.tells_begin, load.rate = tells_begin, rate
    started = time.monotonic()
    asyncio.run(run_clients(load, connections))
    load.totals.seconds = round(time.monotonic() - started, 3)
    return load.totals


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True, help="host:port")
    parser.add_argument("--mode", choices=sorted(MODES), default="keepalive")
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--count", type=int, default=100000)
    parser.add_argument("--seconds", type=float, default=0, help="0: until --count")
    parser.add_argument("--routes", default="token,echo")
    parser.add_argument("--allow", type=int, action="append", default=[],
                        help="a status that is no fault")
    parser.add_argument("--rate", type=float, default=0, help="batches a second; 0: all it can")
    parser.add_argument("--tell-begin", action="store_true", help="print a line before it begins")
    return parser.parse_args()


def main():
    options = parse_arguments()
    host, port = options.target.rsplit(":", 1)
    routes = tuple(options.routes.split(","))
    if not set(routes) <= {"token", "echo", "db"}:
        sys.exit("--routes: expected some of token, echo, db, found %r" % options.routes)
    totals = run((host, int(port)), options.mode, options.count, options.seconds,
                 options.connections, routes, options.tell_begin, options.rate)
    print(json.dumps(dataclasses.asdict(totals)))
    sys.exit(1 if totals.faults(options.allow) else 0)


if __name__ == "__main__":
    main()
