"""Clients of the plugin "marked" who know what they asked: each request has a token that comes back
with its answer and stands in the table once, twice or not at all."""
import collections
import dataclasses
import itertools
import threading
import time

from harness import wire
from harness.wait import until

# method, path, rows that an acknowledged request has made
KINDS = [
    ("GET", "/marked/read", 0),
    ("POST", "/marked/write", 1),
    ("POST", "/marked/both", 2),
    ("GET", "/marked/lease/read", 0),
    ("POST", "/marked/lease/write", 1),
    ("POST", "/marked/lease/alone", 1),
]
LATE_S = 20  # beyond the deadline of any request: nobody answers
NAMES = itertools.count()


@dataclasses.dataclass
class Answer:
    token: str
    path: str
    rows: int
    began: float
    ended: float = 0
    status: int = 0  # 0: there was none
    text: str = ""
    retry_after: str = ""
    fault: str = ""

    def seconds(self):
        return self.ended - self.began


class Client(threading.Thread):
    """One request after the other, of one kind, on one connection as long as it stands."""

    def __init__(self, server, name, kind):
        super().__init__(daemon=True)
        self.server, self.name = server, name
        self.method, self.path, self.rows = kind
        self.answers = []
        self.is_ending = False
        self.conn = None

    def run(self):
        for i in itertools.count():
            if self.is_ending:
                break
            self.ask(f"{self.name}.{i}")
        if self.conn is not None:
            self.conn.close()

    def ask(self, token):
        answer = Answer(token, self.path, self.rows, time.monotonic())
        try:
            if self.conn is None:
                self.conn = self.server.connect(LATE_S)
            response = self.conn.request(self.method, f"{self.path}?tok={token}")
            answer.status, answer.text = response.status, response.text
            answer.retry_after = response.header("Retry-After")
            if "close" in (response.header("Connection") or ""):
                self.drop()
        except (OSError, wire.Closed, AssertionError) as error:
            answer.fault = repr(error)
            self.drop()
        answer.ended = time.monotonic()
        self.answers.append(answer)

    def drop(self):
        if self.conn is not None:
            self.conn.close()
        self.conn = None

    def has_succeeded_since(self, began):
        """With a request that began after it."""
        return any(a.status == 200 and a.began > began for a in self.answers[-50:])


class Traffic:
    """Clients of each kind, from entering to leaving."""

    def __init__(self, server, clients_per_kind=1, kinds=KINDS):
        self.server, self.kinds = server, kinds
        self.name = f"t{next(NAMES)}"
        self.clients = [Client(server, f"{self.name}.{n}.{i}", kind) for n, kind in enumerate(kinds)
                        for i in range(clients_per_kind)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.is_ending = True
        for client in self.clients:
            client.join(2 * LATE_S)

    @property
    def answers(self):
        return [answer for client in self.clients for answer in client.answers]

    def await_success(self, timeout_s=60):
        """Each kind of request that begins from now on succeeds again."""
        began = time.monotonic()

        def are_served():
            return all(client.has_succeeded_since(began) for client in self.clients)

        until(are_served, "requests of each kind are answered 200", timeout_s)

    def statuses(self):
        return collections.Counter((a.path, a.status) for a in self.answers)

    def faults(self, rows, deadline_s):
        """What no client may see, and what no table may hold, as sentences.  rows: the tokens
        that stand in the table."""
        found = collections.Counter(rows)
        for a in self.answers:
            n = found.pop(a.token, 0)
            if a.status == 0:
                yield f"{a.path} {a.token}: no answer: {a.fault}"
            elif a.seconds() > deadline_s:
                yield f"{a.path} {a.token}: {a.status} after {a.seconds():.2f} s"
            if a.status == 200 and a.text != a.token:
                yield f"{a.path} {a.token}: crossed, the answer was {a.text!r}"
            if a.status == 503 and not a.retry_after:
                yield f"{a.path} {a.token}: 503 without Retry-After: {a.text!r}"
            if a.status == 200 and n < a.rows:
                yield f"{a.path} {a.token}: acknowledged, but {n} rows of {a.rows}"
            if n not in (0, a.rows):
                yield f"{a.path} {a.token}: {n} rows instead of {a.rows} or none"
        for token, n in found.items():
            yield f"{token}: {n} rows of nobody"
