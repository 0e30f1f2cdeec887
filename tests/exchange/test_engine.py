"""The engine against its model, with random commands: one by one, each answer foretold; and from
many connections at once, replayed afterwards in the order of seq.

SX_TEST_ENGINE_COMMANDS commands (by default a moment's worth) from the seed SX_TEST_SEED (by
default a new one, which a failure shows)."""
import os
import random
import secrets
import threading

import psycopg2
import pytest

import commands
import model
import replay

N_COMMANDS = int(os.environ.get("SX_TEST_ENGINE_COMMANDS", "600"))
N_THREADS = 6
RACES = ("55P03",)  # lock_timeout: what a busy machine may answer; nothing else


@pytest.fixture
def seed():
    value = int(os.environ.get("SX_TEST_SEED", secrets.randbelow(10 ** 9)))
    print(f"SX_TEST_SEED={value}")
    return value


def open_accounts(client):
    """Rich ones, and such as run out of one thing or the other."""
    rich = [client.open(USD=10 ** 15, BTC=10 ** 12, ETH=10 ** 12, AURORA=10 ** 9)
            for _ in range(3)]
    poor = [client.open(USD=20000, BTC=10000, ETH=7777, AURORA=60),
            client.open(USD=10 ** 6, BTC=300, ETH=0, AURORA=10), client.open(BTC=10 ** 5)]
    return rich + poor


class Twin:
    """Does everything twice, in the database and in the model, and compares the answers."""

    def __init__(self, client, accounts):
        self.client, self.purse = client, model.Purse()
        self.markets = {}
        for row in client.rows("SELECT * FROM exchange.instrument"):
            rules = model.Rules(**{name: row[name] for name in replay.RULES_COLUMNS})
            self.markets[rules.symbol] = model.Market(rules, self.purse)
        self.named, self.orders = {}, {}
        for account in accounts:
            for row in client.rows("SELECT * FROM exchange.balance WHERE account = %s", account):
                self.purse.amount[account, row["asset"]] = row["amount"]
        self.assets = {row["code"]: row["id"] for row in client.rows("SELECT * FROM exchange.asset")}

    def place(self, symbol, ask):
        outcome, row = self.client.place(symbol, ask)
        stored = self.named.get((ask.account, ask.client_id)) if ask.client_id else None
        if stored:
            assert outcome == "duplicate", (outcome, ask)
            replay.compare_order(stored, row)
            return outcome
        expected, order = self.markets[symbol].place(ask, row["id"] if row else None)
        assert outcome == expected, (outcome, expected, ask)
        if order:
            replay.compare_order(order, {**row, "executed_maker": 0})
            self.orders[order.id] = symbol, order
            if ask.client_id:
                self.named[ask.account, ask.client_id] = order
        return outcome

    def cancel(self, account, order_id):
        outcome, row = self.client.cancel(account, order_id)
        symbol, order = self.orders.get(order_id, (None, None))
        if order is None or order.ask.account != account:
            assert outcome == "not_found" and row is None
            return
        assert outcome == ("ok" if order.done_seq is None else "done"), (outcome, order)
        if order.done_seq is None:
            self.markets[symbol].cancel(order)
        replay.compare_order(order, row)

    def cancel_all(self, account, symbol):
        rows = self.client.cancel_all(account, symbol)
        gone = sorted((self.markets[x].rules.id, order.seq, order.id)
                      for x, order in self.orders.values()
                      if order.ask.account == account and order.done_seq is None
                      and symbol in (None, x))
        assert [row["id"] for row in rows] == [order_id for _, _, order_id in gone]
        for row in rows:
            where, order = self.orders[row["id"]]
            self.markets[where].cancel(order)
            replay.compare_order(order, row)

    def deposit(self, account, code, atoms):
        outcome = self.client.deposit(account, code, atoms) if atoms > 0 else self.withdraw(
            account, code, atoms)
        key = account, self.assets[code]
        expected = "ok" if self.purse.free(*key) + atoms >= 0 else "insufficient_funds"
        assert outcome == expected, (outcome, expected, account, code, atoms)
        if outcome == "ok":
            self.purse.amount[key] += atoms

    def withdraw(self, account, code, atoms):
        return self.client.value("SELECT exchange.deposit(%s, %s, %s)", account, code, atoms)

    def compare_balances(self):
        for row in self.client.rows("SELECT * FROM exchange.balance"):
            key = row["account"], row["asset"]
            assert (row["amount"], row["hold"]) == (self.purse.amount[key], self.purse.held[key])


def test_every_answer_is_the_models(exchange_database, seed):
    commands.prepare(exchange_database)
    outcomes = set()
    with commands.Client(exchange_database) as client:
        accounts = open_accounts(client)
        twin = Twin(client, accounts)
        dice = commands.Dice(seed, accounts)
        for n in range(N_COMMANDS):
            kind = dice.random.choices(("place", "cancel", "all", "pay"), (80, 15, 1, 4))[0]
            account = dice.random.choice(accounts)
            if kind == "place":
                symbol = dice.random.choice(commands.SYMBOLS)
                outcomes.add(twin.place(symbol, dice.ask(symbol)))
            elif kind == "cancel" and twin.orders:
                order_id = dice.random.choice(list(twin.orders))
                owner = twin.orders[order_id][1].ask.account
                twin.cancel(dice.random.choice((owner, owner, owner, account)), order_id)
            elif kind == "all":
                twin.cancel_all(account, dice.random.choice((None, *commands.SYMBOLS)))
            elif kind == "pay":
                twin.deposit(account, dice.random.choice(("USD", "BTC", "AURORA")),
                             dice.random.randrange(-3000, 4000))
            if n % 50 == 0:
                twin.compare_balances()
        twin.compare_balances()
    replay.check(exchange_database)
    assert {"ok", "insufficient_funds", "would_cross", "duplicate"} <= outcomes, outcomes


class Crowd:
    """Threads that fire commands at the same accounts and markets; what each was told."""

    def __init__(self, url, seed, accounts, n_commands):
        self.url, self.seed, self.accounts, self.n_commands = url, seed, accounts, n_commands
        self.lock = threading.Lock()
        self.placed = []    # (symbol, ask, order as answered)
        self.canceled = []  # orders as answered
        self.n_expired = 0
        self.faults = []
        self.barrier = threading.Barrier(N_THREADS)

    def run(self):
        threads = [threading.Thread(target=self.guarded, args=(n,)) for n in range(N_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self.faults, self.faults[0]

    def guarded(self, number):
        try:
            with commands.Client(self.url) as client:
                dice = commands.Dice(self.seed * N_THREADS + number, self.accounts)
                self.barrier.wait()
                for _ in range(self.n_commands // N_THREADS):
                    try:
                        self.step(client, dice)
                    except psycopg2.Error as err:
                        if err.pgcode not in RACES:
                            raise
        except Exception as fault:  # pylint: disable=broad-except
            self.faults.append(fault)

    def step(self, client, dice):
        r = dice.random
        account = r.choice(self.accounts)
        kind = r.choices(("place", "cancel", "all", "pay", "reset", "expire"),
                         (700, 200, 20, 40, 3, 3))[0]
        if kind == "place":
            symbol = r.choice(commands.SYMBOLS)
            ask = dice.ask(symbol)
            outcome, row = client.place(symbol, ask)
            if outcome == "ok":
                with self.lock:
                    self.placed.append((symbol, ask, row))
        elif kind == "cancel":
            with self.lock:
                known = self.placed[-40:]
            if known:
                _, ask, row = r.choice(known)
                outcome, row = client.cancel(ask.account, row["id"])
                assert outcome in ("ok", "done"), outcome
                if outcome == "ok":
                    with self.lock:
                        self.canceled.append(row)
        elif kind == "all":
            rows = client.cancel_all(account, r.choice((None, *commands.SYMBOLS)))
            with self.lock:
                self.canceled += rows
        elif kind == "pay":  # several assets, so that locks are taken in more than one order
            codes = r.sample(("USD", "BTC", "ETH", "AURORA"), 2)
            client.value("SELECT exchange.pay_in(%s, %s, %s)", account, codes,
                         [r.randrange(1, 5000), r.randrange(1, 5000)])
        elif kind == "reset":
            client.value("SELECT exchange.reset_account(%s, %s, %s)", account,
                         ["USD", "BTC", "ETH", "AURORA"], [10 ** 9, 10 ** 6, 10 ** 6, 10 ** 4])
        else:
            with self.lock:
                self.n_expired += client.value("SELECT exchange.expire()")


def compare_answers(tables, crowd):
    """What the clients were told is what is stored."""
    stored = {row["id"]: row for row in tables.orders}
    symbols = {row["symbol"]: row["id"] for row in tables.instruments}
    for symbol, ask, row in crowd.placed:
        one = stored.pop(row["id"])
        assert one["instrument"] == symbols[symbol]
        assert model.Ask(**{name: one[name] for name in replay.ASK_COLUMNS}) == ask
        assert (one["seq"], one["created_at"]) == (row["seq"], row["created_at"])
        assert row["done_seq"] in (None, one["done_seq"]), (row, one)
    assert not stored, stored  # nothing that nobody was told of
    stored = {row["id"]: row for row in tables.orders}
    for row in crowd.canceled:
        assert stored[row["id"]] == row


def test_many_at_once_are_the_model_in_the_order_of_seq(exchange_database, seed):
    commands.prepare(exchange_database)
    with commands.Client(exchange_database) as client:
        accounts = open_accounts(client)
    crowd = Crowd(exchange_database, seed, accounts, N_COMMANDS * 2)

    crowd.run()

    tables = replay.check(exchange_database)
    compare_answers(tables, crowd)
    assert random.Random(seed) and tables.trades
