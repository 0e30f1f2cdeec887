"""Many clients of both dialects at two instances of the server: what they are told, what is stored and
the model agree.  Then the same while workers are killed, configurations are read again and PostgreSQL is restarted: no
order that was acknowledged is lost, none is doubled, no atom of money comes or goes.

Each order has a client id, so a client that got no answer asks for it, and sends it again when it is
not there.  SX_TEST_CHAOS_ORDERS orders, and SX_TEST_CHAOS_DEEDS times that something falls down (by
default a moment's worth), from the seed SX_TEST_SEED (by default a new one, which a failure shows)."""
import collections
import dataclasses
import json
import os
import secrets
import signal
import threading

import pytest

import commands
import dialect
import replay
from harness import database
from harness.postgres import Postgres
from harness.wait import until

N_ORDERS = int(os.environ.get("SX_TEST_CHAOS_ORDERS", "160"))
N_DEEDS = int(os.environ.get("SX_TEST_CHAOS_DEEDS", "3"))
N_CLIENTS = 8
ENDLESS = 10 ** 9
DIALECTS = (dialect.Coinbase, dialect.Binance)
PLUGINS = {"exchange": {"options": dialect.OPTIONS},
           "binance": {"options": {"signing_secret": dialect.OPTIONS["signing_secret"]}}}
UNKNOWN = (503, 504)  # the database or the worker went away: nobody knows whether it was done
CONFIG = {"server": {"workers": 2}, "quarantine": {"crashes": 0},
          "log": {"level": "info", "access": "off"}}
DEPOSITS = ({"USD": "10000", "BTC": "10000", "ETH": "10000", "AURORA": "10000"},) * 3 + (
    {"USD": "0.0002", "BTC": "0.0001", "AURORA": "0.06"}, {"USD": "0.01", "ETH": "0.000001"})


@pytest.fixture
def seed():
    value = int(os.environ.get("SX_TEST_SEED", secrets.randbelow(10 ** 9)))
    print(f"SX_TEST_SEED={value}")
    return value


@pytest.fixture
def postgres():
    one = Postgres()
    yield one
    one.finish()


@pytest.fixture
def instances(server):
    """instances(url): two servers on one database."""
    def start(url, may_die=False):
        first = server(CONFIG, PLUGINS, url=url, may_die=may_die,
                       wait=False)
        commands.prepare(url)
        second = server(CONFIG, PLUGINS, url=url, may_die=may_die,
                        migrate=False)
        until(lambda: first.get("/_sx/ready").status == 200, "both are ready")
        return [first, second]

    return start


@dataclasses.dataclass
class Sent:
    """An order, from the client's side."""
    via: object  # the dialect
    symbol: str
    ask: object
    was_lost: bool = False   # at least one request for it had no answer
    answer: dict = None      # the order, where it was acknowledged
    refusal: str = None
    is_canceled: bool = False  # a cancel was acknowledged


class Client(threading.Thread):
    """Sends orders and cancels one after the other, now to this and now to that instance."""

    def __init__(self, crowd, number):
        super().__init__()
        self.crowd, self.number = crowd, number
        self.dice = commands.Dice(crowd.seed * N_CLIENTS + number,
                                  [one.number for one in crowd.accounts])
        self.accounts = {one.number: one for one in crowd.accounts}
        self.connections = [dialect.Connection(port) for port in crowd.ports]
        self.sent, self.fault = [], None

    def run(self):
        try:
            while self.crowd.goes_on():
                self.place(len(self.sent))
                if self.dice.random.random() < 0.3:
                    self.cancel()
        except Exception as fault:  # pylint: disable=broad-except
            self.fault = fault
            self.crowd.stop()

    def ask(self, request):
        """(status, value) or None where there was no answer, or one that tells nothing."""
        try:
            status, answer = self.dice.random.choice(self.connections).ask(request)
        except dialect.Lost:
            self.crowd.tell("lost")
            return None
        self.crowd.tell(status)
        return None if status in UNKNOWN else (status, json.loads(answer))

    def place(self, n):
        symbol = self.dice.random.choice(commands.SYMBOLS)
        ask = self.dice.ask(symbol)
        ask = dataclasses.replace(ask, client_id=f"c{self.number}-{n}",
                                  tif="IOC" if ask.type == "market" else ask.tif)
        one = Sent(self.dice.random.choice(DIALECTS), symbol, ask)
        self.sent.append(one)
        until(lambda: self.try_to_place(one), f"an answer for {ask}")
        self.crowd.count()

    def try_to_place(self, one):
        """True when its fate is known."""
        account = self.accounts[one.ask.account]
        if one.was_lost:
            found = self.ask(one.via.find(account, one.symbol, one.ask.client_id))
            if found is None:
                return False
            if found[0] == 200:
                one.answer = found[1]
                return True
            assert one.via.is_missing(*found), found
        answer = self.ask(one.via.place(account, one.symbol, one.ask))
        if answer is None:
            one.was_lost = True
            return False
        status, value = answer
        assert status in (200, 400), answer
        if one.via.is_duplicate(status, value):
            assert one.was_lost, one
            return False
        if status == 200:
            one.answer = value
        else:
            one.refusal = value
        return True

    def cancel(self):
        one = self.dice.random.choice(self.sent)
        request = lambda: one.via.cancel(self.accounts[one.ask.account], one.symbol,  # noqa: E731
                                         one.ask.client_id)
        status, value = until(lambda: self.ask(request()), "an answer to a cancel")
        assert status in (200, 400, 404), (status, value)
        one.is_canceled |= status == 200


class Crowd:
    def __init__(self, servers, seed, n_orders):
        self.servers, self.seed = servers, seed
        self.ports = [server.port for server in servers]
        self.admin = dialect.Administrator(self.ports[0])
        self.accounts = [self.admin.open(**deposits) for deposits in DEPOSITS]
        self.news = threading.Condition()
        self.n_answered, self.n_left = 0, n_orders
        self.answers = collections.Counter()
        self.clients = [Client(self, n) for n in range(N_CLIENTS)]

    def goes_on(self):
        """One order more, unless it is enough."""
        with self.news:
            self.n_left -= 1
            return self.n_left >= 0

    def stop(self):
        with self.news:
            self.n_left = 0
            self.news.notify_all()

    def count(self):
        with self.news:
            self.n_answered += 1
            self.news.notify_all()

    def tell(self, status):
        with self.news:
            self.answers[status] += 1

    def wait_answers(self, n):
        """Until so many orders more are answered, or all clients have ended."""
        with self.news:
            wanted = self.n_answered + n
            self.news.wait_for(lambda: self.n_answered >= wanted or self.n_left <= 0)

    def run(self, meanwhile=None):
        for client in self.clients:
            client.start()
        try:
            if meanwhile is not None:
                meanwhile()
                self.stop()
        except BaseException:
            self.stop()
            raise
        finally:
            for client in self.clients:
                client.join()
        faults = [client.fault for client in self.clients if client.fault]
        assert not faults, faults
        print(dict(self.answers))

    def compare(self, tables):
        """What the clients know is what is stored, and nothing else is stored."""
        symbols = {row["symbol"]: row["id"] for row in tables.instruments}
        stored = {(row["account"], row["client_id"]): row for row in tables.orders}
        for one in (one for client in self.clients for one in client.sent):
            row = stored.pop((one.ask.account, one.ask.client_id), None)
            if one.answer is None:
                assert row is None or one.was_lost, (one, row)
                continue
            assert row is not None, one
            assert row["instrument"] == symbols[one.symbol]
            for name in replay.ASK_COLUMNS:
                assert row[name] == getattr(one.ask, name), (name, one, dict(row))
            for name, value in one.via.told(one.answer).items():
                assert row[name] == value, (name, one, dict(row))
            if one.is_canceled:
                assert row["done_reason"] == "canceled", (one, dict(row))
        assert not stored, stored


def test_two_instances_are_one_market(exchange_database, instances, seed):
    crowd = Crowd(instances(exchange_database), seed, N_ORDERS)

    crowd.run()

    assert set(crowd.answers) <= {200, 400, 404}, crowd.answers
    tables = replay.check(exchange_database)
    crowd.compare(tables)
    assert sum(len(trades) for trades in tables.trades.values()) > 0


def test_no_acknowledged_order_is_lost_or_doubled_when_all_fall_down(postgres, instances, seed):
    url = database.create(postgres.url)
    servers = instances(url)
    crowd = Crowd(servers, seed, ENDLESS)
    n_done = collections.Counter()

    def kill_worker(server):
        os.kill(server.workers()[-1], signal.SIGKILL)
        n_done["kills"] += 1

    def restart_postgres(number):
        postgres.stop(number)
        postgres.start()
        n_done["restarts"] += 1

    def reload(server):
        server.reload()
        n_done["reloads"] += 1

    def havoc():
        deeds = (lambda: kill_worker(servers[0]), lambda: reload(servers[1]),
                 lambda: restart_postgres(signal.SIGINT), lambda: kill_worker(servers[1]),
                 lambda: reload(servers[0]), lambda: restart_postgres(signal.SIGQUIT))
        for n in range(N_DEEDS):
            crowd.wait_answers(20)
            deeds[n % len(deeds)]()
        crowd.wait_answers(20)

    crowd.run(havoc)

    print(dict(n_done))
    crowd.compare(replay.check(url))
    assert n_done["kills"] and n_done["restarts"] and n_done["reloads"]
