"""The functions of the exchange, called over a connection of one's own; and random commands."""
import dataclasses
import random

import psycopg2
import psycopg2.extras

import model
from harness import database

# Few prices and sizes, so that orders meet.  Ticks and lots differ in worth, so that fees round.
SYMBOLS = ("BTC-USD", "ETH-USD", "AURORA-USD")


WAIT_FOR_LOCKS = """
    DO $$ DECLARE f regprocedure; BEGIN
        FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'exchange'::regnamespace
                 AND array_to_string(proconfig, ',') LIKE '%lock_timeout=%' LOOP
            EXECUTE format('ALTER FUNCTION %s SET lock_timeout = %L', f, '{}');
        END LOOP;
    END $$"""


def wait_for_locks(url, how_long):
    """As shipped, two seconds: a busy machine may keep whoever holds one from running for longer."""
    database.query(url, WAIT_FOR_LOCKS.format(how_long))


class Client:
    """One connection; each command is a transaction."""

    def __init__(self, url):
        self.connection = psycopg2.connect(url, cursor_factory=psycopg2.extras.RealDictCursor)
        self.connection.autocommit = True
        self.cursor = self.connection.cursor()
        self.url = url

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def rows(self, sql, *parameters):
        self.cursor.execute(sql, parameters or None)
        return self.cursor.fetchall() if self.cursor.description else None

    def value(self, sql, *parameters):
        return next(iter(self.rows(sql, *parameters)[0].values()))

    def open(self, **deposits):
        """A new account with these atoms: its number."""
        return self.value("SELECT (exchange.create_account('test', 'practice', %s, %s)).id",
                          list(deposits), list(deposits.values()))

    def deposit(self, account, code, atoms):
        return self.value("SELECT exchange.pay_in(%s, %s, %s)", account, [code], [atoms])

    def answer(self, call, *parameters):
        """Of a function that returns `placed`: the outcome, and the order or None."""
        row = self.rows(f"SELECT x.outcome, (x.o).* FROM exchange.{call} AS x", *parameters)[0]
        outcome = row.pop("outcome")
        return outcome, row if row["id"] is not None else None

    def place(self, symbol, ask, generation=1):
        return self.answer("place(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)", ask.account,
                           generation, symbol, ask.side, ask.type, ask.price, ask.lots, ask.funds,
                           ask.tif, ask.post_only, ask.stp, ask.client_id)

    def cancel(self, account, order=None, client_id=None, symbol=None):
        return self.answer("cancel(%s, 1, %s, %s, %s)", account, symbol, order, client_id)

    def cancel_all(self, account, symbol=None):
        return self.rows("SELECT * FROM exchange.cancel_all(%s, 1, %s)", account, symbol)


def prepare(url):
    """Three markets whose limits and fees differ and are small enough to be met."""
    with Client(url) as client:
        for symbol, maker, taker, min_funds in (("BTC-USD", 4000, 6000, 1),
                                                ("ETH-USD", 0, 100000, 7),
                                                ("AURORA-USD", 333, 3333, 2500)):
            client.rows("UPDATE exchange.instrument SET maker_ppm = %s, taker_ppm = %s,"
                        " min_funds = %s, max_ticks = 40, max_lots = 60 WHERE symbol = %s",
                        maker, taker, min_funds, symbol)


class Dice:
    """Random asks around a price in the middle, for accounts of which some are poor."""

    def __init__(self, seed, accounts):
        self.random = random.Random(seed)
        self.accounts = accounts
        self.n_named = 0

    def ask(self, symbol):
        r = self.random
        account = r.choice(self.accounts)
        side = r.choice((model.BUY, model.SELL))
        ask = model.Ask(account, side, tif=r.choices(("GTC", "IOC", "FOK"), (7, 1, 2))[0],
                        stp=r.choice(("dc", "co", "cn", "cb")), client_id=self.client_id())
        kind = r.choices(("limit", "post_only", "lots", "funds"), (60, 10, 12, 12))[0]
        unit = 1000 if symbol == "AURORA-USD" else 1
        if kind in ("limit", "post_only"):
            is_odd = r.random() < 0.01  # beyond a limit of the instrument
            price = 41 if is_odd else min(40, max(1, round(r.gauss(20 - 2 * side, 5))))
            return dataclasses.replace(ask, price=price, lots=self.lots(),
                                       post_only=kind == "post_only",
                                       tif="GTC" if kind == "post_only" else ask.tif)
        if kind == "lots":
            return dataclasses.replace(ask, type="market", lots=self.lots())
        funds = r.choice((1, 3, 7, 2500, r.randrange(1, 60), r.randrange(1, 2000) * unit,
                          r.randrange(1, 40) * r.randrange(1, 30) * unit))
        return dataclasses.replace(ask, type="market", funds=funds, tif="IOC")

    def lots(self):
        r = self.random
        return r.choice((1, 1, 2, 5, r.randrange(1, 20), r.randrange(1, 60),
                         r.choice((60, 60, 60, 61))))

    def client_id(self):
        """Most have none; some are used again."""
        if self.random.random() < 0.7:
            return None
        self.n_named += 1
        return f"c{self.random.randrange(max(1, self.n_named - 3), self.n_named + 10)}"
