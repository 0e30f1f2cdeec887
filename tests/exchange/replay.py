"""What a database says has happened, done again by the model: everything must come out the same.

    replay.check(url)

Commands of one market are put in order by seq: where an order was received, an order was placed;
any other first event of a command is an order that was taken out.  Markets are replayed one after
the other, so only the sums of what they did to the balances are compared, and the order of
commands across markets need not be known."""
import collections

import psycopg2.extras

import model

EVENT_COLUMNS = ("seq", "kind", "order_id", "account", "side", "price", "lots", "funds", "delta",
                 "book_side", "rest", "rest_order", "rest_side", "rest_price", "trade_id",
                 "maker_order", "maker_account", "maker_left", "taker_left", "reason")
TRADE_COLUMNS = ("trade_id", "seq", "price", "lots", "notional", "taker_side", "maker_order",
                 "taker_order", "maker_account", "taker_account", "maker_fee", "taker_fee")
ORDER_COLUMNS = ("seq", "maker_ppm", "taker_ppm", "filled", "reduced", "executed_maker",
                 "executed_taker", "fees", "hold", "done_seq", "done_reason")
ASK_COLUMNS = ("account", "side", "type", "price", "lots", "funds", "tif", "post_only", "stp",
               "client_id")
RULES_COLUMNS = ("id", "symbol", "base", "quote", "lot_atoms", "ticklot_atoms", "max_ticks",
                 "max_lots", "min_funds", "maker_ppm", "taker_ppm")


class Tables:
    """One snapshot of the tables."""

    def __init__(self, url):
        connection = psycopg2.connect(url, cursor_factory=psycopg2.extras.RealDictCursor)
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        try:
            with connection.cursor() as cursor:
                self.cursor = cursor
                self.instruments = self.read("instrument ORDER BY id")
                self.markets = {row["instrument"]: row for row in self.read("market")}
                self.orders = self.read("stored_order ORDER BY instrument, seq")
                self.trades = self.grouped("trade ORDER BY instrument, trade_id")
                self.events = self.grouped("event ORDER BY instrument, seq")
                self.book = self.grouped("book ORDER BY instrument, side, key, seq")
                self.balances = self.read("balance ORDER BY account, asset")
                self.deposits = self.read("deposit")
                self.minutes = self.read("minute")
                self.violations = self.read("violations")
        finally:
            connection.close()

    def read(self, what):
        self.cursor.execute(f"SELECT * FROM exchange.{what}")
        return self.cursor.fetchall()

    def grouped(self, what):
        groups = collections.defaultdict(list)
        for row in self.read(what):
            groups[row["instrument"]].append(row)
        return groups


def check(url):
    """Fails where the database and the model differ; the tables, for what else a test asks."""
    tables = Tables(url)
    broken = [row for row in tables.violations if row["n"] != 0]
    assert not broken, broken
    purse = model.Purse()
    for row in tables.deposits:
        purse.amount[row["account"], row["asset"]] += row["amount"]
    for row in tables.instruments:
        replay_market(tables, row, purse)
    check_balances(tables, purse)
    check_minutes(tables)
    return tables


def replay_market(tables, instrument, purse):
    rules = model.Rules(**{name: instrument[name] for name in RULES_COLUMNS})
    market = model.Market(rules, purse)
    feed = Feed(tables.events[rules.id])
    received = {row["seq"]: row for row in tables.orders if row["instrument"] == rules.id}
    last = tables.markets[rules.id]["seq"]
    assert len(feed.events) == last, (rules.symbol, len(feed.events), last)
    while market.seq < last:
        do_next(market, received, feed.events[market.seq])
        feed.follow(market)
    feed.compare_book(market, tables.book[rules.id])
    compare_orders(market, received)
    compare(rules.symbol, market.trades, tables.trades[rules.id], TRADE_COLUMNS)
    stored = tables.markets[rules.id]
    assert (market.seq, market.trade_id, market.fees, *market.last) == (
        stored["seq"], stored["trade_id"], stored["fees"], stored["last_price"],
        stored["last_lots"], stored["last_side"]), (rules.symbol, dict(stored))


def do_next(market, received, event):
    """The command that the event at market.seq + 1 began with."""
    row = received.get(market.seq + 1)
    if row is None:
        assert event["kind"] == "done", event
        order = market.orders[event["order_id"]]
        assert order.done_seq is None, event
        market.cancel(order, event["reason"])
        return
    ask = model.Ask(**{name: row[name] for name in ASK_COLUMNS})
    outcome, _ = market.place(ask, row["id"], checks_funds=False)
    assert outcome == "ok", (outcome, dict(row))


class Feed:
    """A reader of the events who knows nothing else: the book that they tell, order by order and
    level by level."""

    def __init__(self, events):
        self.events = events
        self.n_read = 0
        self.lots = {}  # by order: [side, price, lots]
        self.levels = collections.Counter()
        self.at = None

    def follow(self, market):
        """Reads what the last command told: it must be what the model told, and tell its book."""
        touched = set()
        while self.n_read < market.seq:
            event, expected = self.events[self.n_read], market.events[self.n_read]
            compare(market.rules.symbol, [expected], [event], EVENT_COLUMNS)
            assert self.at is None or event["at"] >= self.at, (dict(event), self.at)
            self.at = event["at"]
            touched |= self.read(event)
            self.n_read += 1
        for side, price in touched:
            told = self.levels[side, price]
            assert told == market.level(side, price), (market.rules.symbol, market.seq, price)

    def read(self, event):
        """The levels that it touches."""
        touched = set()
        if event["delta"]:
            maker = event["maker_order"] or event["order_id"]
            place = self.lots[maker]
            assert place[:2] == [event["book_side"], event["price"]], (place, dict(event))
            place[2] += event["delta"]
            if event["kind"] == "change" or event["maker_left"] is not None:
                assert place[2] == event["maker_left"], (place, dict(event))
            if place[2] == 0:
                del self.lots[maker]
            self.levels[event["book_side"], event["price"]] += event["delta"]
            assert self.levels[event["book_side"], event["price"]] >= 0, dict(event)
            touched.add((event["book_side"], event["price"]))
        if event["rest"]:
            assert event["rest_order"] not in self.lots, dict(event)
            self.lots[event["rest_order"]] = [event["rest_side"], event["rest_price"],
                                              event["rest"]]
            self.levels[event["rest_side"], event["rest_price"]] += event["rest"]
            touched.add((event["rest_side"], event["rest_price"]))
        return touched

    def compare_book(self, market, rows):
        """The stored book, the model's and the one that the feed tells, whole and in order."""
        expected = [(side, rank, seq, order.id, order.ask.account, order.left())
                    for side in (model.SELL, model.BUY) for rank, seq, order in market.book[side]]
        stored = [(row["side"], row["key"], row["seq"], row["order_id"], row["account"],
                   row["lots"]) for row in rows]
        assert stored == expected, (market.rules.symbol, stored, expected)
        told = {order: tuple(place) for order, place in self.lots.items()}
        assert told == {row["order_id"]: (row["side"], abs(row["key"]), row["lots"])
                        for row in rows}


def compare(where, expected, stored, columns):
    assert len(expected) == len(stored), (where, len(expected), len(stored))
    for wanted, row in zip(expected, stored):
        if any(wanted[name] != row[name] for name in columns):
            differs = {name: (wanted[name], row[name]) for name in columns
                       if wanted[name] != row[name]}
            raise AssertionError(f"{where}: (model, database) {differs} in {dict(row)}")


def compare_orders(market, received):
    assert len(market.orders) == len(received)
    for row in received.values():
        order = market.orders[row["id"]]
        compare_order(order, row)


def compare_order(order, row):
    """What the model knows of an order, and its row."""
    for name in ORDER_COLUMNS:
        assert getattr(order, name) == row[name], (name, order, dict(row))
    for name in ASK_COLUMNS:
        assert getattr(order.ask, name) == row[name], (name, order, dict(row))


def check_balances(tables, purse):
    for row in tables.balances:
        key = row["account"], row["asset"]
        assert (purse.amount[key], purse.held[key]) == (row["amount"], row["hold"]), (
            dict(row), purse.amount[key], purse.held[key])


def check_minutes(tables):
    told = {}
    for instrument, trades in tables.trades.items():
        for trade in trades:
            key = instrument, int(trade["at"].timestamp() // 60)
            candle = told.setdefault(key, [trade["price"], trade["price"], trade["price"], 0, 0, 0, 0])
            candle[1] = max(candle[1], trade["price"])
            candle[2] = min(candle[2], trade["price"])
            candle[3] = trade["price"]
            candle[4] += trade["lots"]
            candle[5] += trade["notional"]
            candle[6] += 1
    stored = {(row["instrument"], row["minute"]):
              [row[name] for name in ("open", "high", "low", "close", "lots", "notional",
                                      "n_trades")] for row in tables.minutes}
    assert stored == told
