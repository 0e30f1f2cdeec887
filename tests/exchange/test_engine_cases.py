"""The engine on its bad days, one by one: dust, limits, races that were chosen, not met by chance.

Each case ends with the replay by the model and with the rules of the view `violations`."""
import contextlib
import threading

import psycopg2
import pytest

import commands
import model
import replay
from harness import database
from harness.wait import until
from model import BUY, SELL, Ask

RICH = {"USD": 10 ** 15, "BTC": 10 ** 12, "ETH": 10 ** 12, "AURORA": 10 ** 9}


@pytest.fixture
def client(exchange_database):
    with commands.Client(exchange_database) as one:
        one.rows("UPDATE exchange.instrument SET min_funds = 1")
        yield one
        replay.check(exchange_database)


def seq_of(client, symbol):
    return client.value("SELECT seq FROM exchange.markets WHERE symbol = %s", symbol)


def order(client, order_id):
    return client.rows("SELECT * FROM exchange.orders WHERE id = %s", order_id)[0]


def balance(client, account, code):
    row = client.rows("SELECT * FROM exchange.balances WHERE account = %s AND code = %s", account,
                      code)[0]
    return row["amount"], row["hold"]


def placed(client, symbol, ask):
    outcome, row = client.place(symbol, ask)
    assert outcome == "ok", outcome
    return row


def at_once(*calls):
    """Runs each in a thread of its own, all released together: what they returned or raised."""
    barrier, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(n, call):
        barrier.wait()
        try:
            results[n] = call()
        except Exception as fault:  # pylint: disable=broad-except
            results[n] = fault

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@contextlib.contextmanager
def transaction(url):
    """A command that has happened, but whose transaction is still open."""
    connection = psycopg2.connect(url)
    try:
        yield connection.cursor()
        connection.commit()
    finally:
        connection.close()


def test_dust_is_paid_for_to_the_last_atom(client):
    """A lot at one tick is one atom, and so is its fee: the seller gets nothing, never less."""
    maker, taker = client.open(USD=200), client.open(BTC=10000)
    bid = placed(client, "BTC-USD", Ask(maker, BUY, price=1, lots=100))
    assert bid["hold"] == 101  # ceil(0.6) for all of it, once

    for _ in range(100):
        placed(client, "BTC-USD", Ask(taker, SELL, price=1, lots=1, tif="IOC"))

    assert balance(client, taker, "USD") == (0, 0)
    assert balance(client, taker, "BTC") == (0, 0)
    assert balance(client, maker, "USD") == (99, 0)  # one atom of fees for a hundred fills
    assert balance(client, maker, "BTC") == (10000, 0)


def test_one_fill_pays_no_more_than_many(client):
    seller, one, many = client.open(**RICH), client.open(USD=10 ** 6), client.open(USD=10 ** 6)
    for lots in (77, *[1] * 77):
        placed(client, "BTC-USD", Ask(seller, SELL, price=7, lots=lots))

    for buyer in (one, many):
        placed(client, "BTC-USD", Ask(buyer, BUY, price=7, lots=77))

    assert balance(client, one, "USD") == balance(client, many, "USD")


def test_an_order_at_all_limits_is_traded(client):
    """As much money as there can be, at the highest price and size of an instrument."""
    client.rows("UPDATE exchange.instrument SET max_ticks = 1000000000, max_lots = 8000000000,"
                " taker_ppm = 100000, maker_ppm = 100000 WHERE symbol = 'BTC-USD'")
    buyer = client.open(USD=9 * 10 ** 18)
    seller = client.open(BTC=8 * 10 ** 11)
    placed(client, "BTC-USD", Ask(seller, SELL, price=10 ** 9, lots=8 * 10 ** 9))

    fill = placed(client, "BTC-USD", Ask(buyer, BUY, price=10 ** 9, lots=8 * 10 ** 9))

    assert fill["done_reason"] == "filled" and fill["fees"] == 8 * 10 ** 17
    assert balance(client, seller, "USD") == (72 * 10 ** 17, 0)


def test_limits_cannot_be_set_beyond_what_is_counted(client):
    with pytest.raises(psycopg2.errors.CheckViolation):
        client.rows("UPDATE exchange.instrument SET max_ticks = 2000000000 "
                    "WHERE symbol = 'BTC-USD'")


def test_a_sale_by_funds_into_more_than_can_be_counted_is_refused(client):
    """The lots of all bids in atoms of the base are more than an int64."""
    client.rows("UPDATE exchange.instrument SET max_ticks = 9, max_lots = 90000000000000000"
                " WHERE symbol = 'BTC-USD'")
    bidder, seller = client.open(USD=10 ** 18), client.open(BTC=10 ** 10)
    for _ in range(2):
        placed(client, "BTC-USD", Ask(bidder, BUY, price=1, lots=9 * 10 ** 16))

    outcome, _ = client.place("BTC-USD", Ask(seller, SELL, "market", funds=9 * 10 ** 18))

    assert outcome == "insufficient_funds"


def test_no_more_is_paid_in_than_can_be_counted(client):
    account = client.open(USD=8 * 10 ** 18)
    assert client.deposit(account, "USD", 10 ** 18) == "ok"
    assert client.value("SELECT exchange.deposit(%s, 'USD', 1)", account) == "too_much"
    for atoms in (-9 * 10 ** 18 - 1, -2 ** 63):
        assert client.value("SELECT exchange.deposit(%s, 'USD', %s)", account,
                            atoms) == "insufficient_funds"
    with pytest.raises(psycopg2.Error) as refused:
        client.deposit(account, "USD", 1)
    assert refused.value.pgcode == "SX400"


def test_refused_asks_change_nothing(client):
    account, poor = client.open(**RICH), client.open(USD=100)
    placed(client, "BTC-USD", Ask(account, SELL, price=100, lots=5))
    before = seq_of(client, "BTC-USD")
    ask = Ask(account, BUY, price=10, lots=1)
    for symbol, changed, outcome in (
            ("BTC-EUR", ask, "no_instrument"),
            ("BTC-USD", Ask(17, BUY, price=10, lots=1), "no_account"),
            ("BTC-USD", Ask(account, BUY, price=10 ** 9 + 1, lots=1), "price_too_large"),
            ("BTC-USD", Ask(account, BUY, price=10, lots=9 * 10 ** 9 + 1), "size_too_large"),
            ("BTC-USD", Ask(account, BUY, price=100, lots=1, post_only=True), "would_cross"),
            ("BTC-USD", Ask(poor, BUY, price=100, lots=1), "insufficient_funds"),
            ("BTC-USD", Ask(poor, BUY, "market", lots=1), "insufficient_funds"),
            ("BTC-USD", Ask(poor, SELL, price=100, lots=1), "insufficient_funds"),
            ("BTC-USD", Ask(poor, SELL, "market", funds=100), "ok"),  # there is nobody to sell to
    ):
        assert client.place(symbol, changed)[0] == outcome
    assert client.place("BTC-USD", ask, generation=2)[0] == "no_account"
    client.rows("UPDATE exchange.instrument SET min_funds = 50")
    assert client.place("BTC-USD", Ask(poor, BUY, "market", funds=49))[0] == "funds_too_small"
    assert seq_of(client, "BTC-USD") == before + 2


def test_what_is_no_order_is_an_error(client):
    account = client.open(**RICH)
    good = Ask(account, BUY, price=10, lots=1).__dict__
    for bad in ({"side": 0}, {"side": None}, {"type": "stop"}, {"price": 0}, {"price": None},
                {"lots": 0}, {"lots": -1}, {"lots": None}, {"funds": 5}, {"tif": "GTT"},
                {"tif": None}, {"stp": ""}, {"post_only": None}, {"type": "market"},
                {"lots": None, "funds": 5}, {"type": "market", "price": None, "funds": 5},
                {"type": "market", "price": None, "lots": None, "funds": 0}):
        with pytest.raises(psycopg2.errors.InvalidParameterValue):
            client.place("BTC-USD", Ask(**{**good, **bad}))
    assert seq_of(client, "BTC-USD") == 0


@pytest.mark.parametrize("status, outcome", [("offline", "closed"), ("cancel_only", "cancel_only"),
                                             ("post_only", "post_only_mode")])
def test_a_market_that_takes_no_orders_gives_them_back(client, status, outcome):
    account = client.open(**RICH)
    bid = placed(client, "ETH-USD", Ask(account, BUY, price=10, lots=3))
    client.rows("UPDATE exchange.instrument SET status = %s WHERE symbol = 'ETH-USD'", status)

    assert client.place("ETH-USD", Ask(account, BUY, price=10, lots=3))[0] == outcome
    assert client.cancel(account, bid["id"])[0] == "ok"
    assert client.cancel(account, bid["id"])[0] == "done"
    assert balance(client, account, "USD") == (RICH["USD"], 0)


def test_by_funds_buys_what_can_be_paid_with_its_fee(client):
    seller, buyer = client.open(**RICH), client.open(USD=10 ** 6)
    placed(client, "BTC-USD", Ask(seller, SELL, price=100, lots=50))
    for funds, lots in ((100, 0), (101, 1), (201, 1), (202, 2), (1006, 10), (1005, 9)):
        row = placed(client, "BTC-USD", Ask(buyer, BUY, "market", funds=funds))
        assert row["filled"] == lots, (funds, row)
        assert row["done_reason"] == ("filled" if lots else "expired")


def test_by_funds_that_are_all_spent_touch_nothing_more(client):
    """Its own order lies behind what the funds pay for: it stays, and the end is no cancel."""
    seller, account = client.open(**RICH), client.open(**RICH)
    placed(client, "BTC-USD", Ask(seller, SELL, price=100, lots=2))
    own = placed(client, "BTC-USD", Ask(account, SELL, price=100, lots=2))

    for stp in ("co", "cb", "cn", "dc"):
        row = placed(client, "BTC-USD", Ask(account, BUY, "market", funds=202, stp=stp))
        assert (row["filled"], row["done_reason"]) == (2, "filled"), (stp, row)
        assert order(client, own["id"])["done_seq"] is None
        client.cancel(account, own["id"])
        placed(client, "BTC-USD", Ask(seller, SELL, price=100, lots=2))
        own = placed(client, "BTC-USD", Ask(account, SELL, price=100, lots=2))


def test_by_funds_that_empty_the_book_to_the_last_atom_are_filled(client):
    seller, buyer = client.open(**RICH), client.open(**RICH)
    placed(client, "BTC-USD", Ask(seller, SELL, price=100, lots=2))

    row = placed(client, "BTC-USD", Ask(buyer, BUY, "market", funds=202))

    assert (row["filled"], row["done_reason"]) == (2, "filled")


def test_a_killed_order_leaves_no_trace_but_its_own(client):
    """Its trades on paper are no trades: not the last price, not the makers, not the fees."""
    maker, taker = client.open(**RICH), client.open(**RICH)
    placed(client, "BTC-USD", Ask(maker, SELL, price=50, lots=1))
    placed(client, "BTC-USD", Ask(taker, BUY, price=50, lots=1))
    placed(client, "BTC-USD", Ask(maker, SELL, price=70, lots=4))

    row = placed(client, "BTC-USD", Ask(taker, BUY, price=90, lots=5, tif="FOK"))

    assert (row["filled"], row["done_reason"], row["hold"]) == (0, "expired", 0)
    market = client.rows("SELECT * FROM exchange.markets WHERE symbol = 'BTC-USD'")[0]
    assert (market["last_price"], market["last_lots"], market["trade_id"]) == (50, 1, 1)


@pytest.mark.parametrize("stp, filled, own_left", [("dc", 0, 3), ("cn", 0, 3), ("cb", 0, 3),
                                                   ("co", 6, 0)])
def test_fill_or_kill_across_an_order_of_its_own(client, stp, filled, own_left):
    other, account = client.open(**RICH), client.open(**RICH)
    placed(client, "BTC-USD", Ask(other, SELL, price=10, lots=2))
    own = placed(client, "BTC-USD", Ask(account, SELL, price=11, lots=3))
    placed(client, "BTC-USD", Ask(other, SELL, price=12, lots=4))

    row = placed(client, "BTC-USD", Ask(account, BUY, price=12, lots=6, tif="FOK", stp=stp))

    assert row["filled"] == filled
    left = order(client, own["id"])
    assert (left["lots"] if left["done_seq"] is None else 0) == own_left


@pytest.mark.parametrize("lots, maker_left, taker", [(3, 2, (3, "canceled")),
                                                     (5, 0, (5, "canceled")),
                                                     (8, 0, (5, None))])
def test_decrease_and_cancel_takes_the_smaller_from_both(client, lots, maker_left, taker):
    account = client.open(**RICH)
    maker = placed(client, "BTC-USD", Ask(account, SELL, price=10, lots=5))

    row = placed(client, "BTC-USD", Ask(account, BUY, price=10, lots=lots))

    stored = order(client, maker["id"])
    assert stored["lots"] - stored["reduced"] == maker_left
    assert stored["hold"] == maker_left * 100
    assert (row["reduced"], row["done_reason"]) == taker
    assert row["filled"] == stored["filled"] == 0


def test_one_client_id_on_two_markets_at_once_is_one_order(client, exchange_database):
    """Sides and markets differ, so that no lock but the unique index keeps them apart."""
    account = client.open(**RICH)
    asks = [("BTC-USD", Ask(account, SELL, price=10, lots=1)),
            ("ETH-USD", Ask(account, BUY, price=10, lots=1))]
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(commands.Client(exchange_database)) for _ in range(8)]
        for n in range(25):
            calls = []
            for number, one in enumerate(clients):
                symbol, ask = asks[number % 2]
                ask = Ask(**{**ask.__dict__, "client_id": f"same-{n}"})
                calls.append(lambda one=one, symbol=symbol, ask=ask: one.place(symbol, ask))
            results = at_once(*calls)
            assert sorted(outcome for outcome, _ in results) == ["duplicate"] * 7 + ["ok"]
            assert len({row["id"] for _, row in results}) == 1


def test_a_cancel_that_races_a_fill_is_one_or_the_other(client, exchange_database):
    maker, taker = client.open(**RICH), client.open(**RICH)
    with commands.Client(exchange_database) as a, commands.Client(exchange_database) as b:
        for _ in range(30):
            bid = placed(client, "BTC-USD", Ask(maker, BUY, price=10, lots=1))
            (canceled, row), (_, sale) = at_once(
                lambda bid=bid: a.cancel(maker, bid["id"]),
                lambda: b.place("BTC-USD", Ask(taker, SELL, price=10, lots=1, tif="IOC")))
            assert canceled == ("ok" if sale["filled"] == 0 else "done")
            assert row["done_reason"] == ("canceled" if canceled == "ok" else "filled")


def test_every_order_is_canceled_once(client, exchange_database):
    """cancel_all on all markets and on one, expire and cancel at once: nobody gets one twice."""
    account = client.open(**RICH)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(commands.Client(exchange_database)) for _ in range(5)]
        for _ in range(10):
            rows = [placed(client, symbol, Ask(account, BUY, price=10 + n, lots=1))
                    for n in range(3) for symbol in commands.SYMBOLS]
            answers = at_once(lambda: clients[0].cancel_all(account),
                              lambda: clients[1].cancel_all(account),
                              lambda: clients[2].cancel_all(account, "ETH-USD"),
                              lambda rows=rows: clients[3].cancel(account, rows[0]["id"]),
                              lambda rows=rows: clients[4].cancel(account, rows[-1]["id"]))
            ids = [row["id"] for rows in answers[:3] for row in rows]
            ids += [row["id"] for outcome, row in answers[3:] if outcome == "ok"]
            assert sorted(ids) == sorted(row["id"] for row in rows)
    assert balance(client, account, "USD") == (RICH["USD"], 0)


def test_payments_and_trades_at_once_do_not_block_each_other_for_ever(client, exchange_database):
    """Assets whose codes and ids are in another order; deposits to both sides of every trade."""
    accounts = [client.open(**RICH) for _ in range(3)]

    def trade(one, symbol, side):
        for n in range(40):
            one.place(symbol, Ask(accounts[n % 3], side, price=10, lots=3))

    def pay(one, codes, sort):
        for n in range(40):
            account = accounts[n % 3]
            if sort == "reset":
                amounts = [RICH[code] for code in codes]
                assert one.value("SELECT exchange.reset_account(%s, %s, %s)", account, codes,
                                 amounts) == "ok"
            else:
                one.value("SELECT exchange.pay_in(%s, %s, %s)", account, codes, [1] * len(codes))

    with contextlib.ExitStack() as stack:
        new = lambda: stack.enter_context(commands.Client(exchange_database))  # noqa: E731
        work = [lambda one=new(), symbol=symbol, side=side: trade(one, symbol, side)
                for symbol in ("BTC-USD", "AURORA-USD") for side in (BUY, SELL)]
        work += [lambda one=new(), codes=codes: pay(one, codes, "in")
                 for codes in (["BTC", "USD"], ["USD", "BTC"], ["AURORA", "USD"], ["USD"])]
        work += [lambda one=new(): pay(one, list(RICH), "reset")]
        faults = [str(result) for result in at_once(*work) if result is not None]
    assert not faults, faults


def test_expired_artists_give_all_orders_back(client):
    accounts = [client.open(**RICH) for _ in range(2)]
    for n in range(4):
        placed(client, "AURORA-USD", Ask(accounts[n % 2], BUY, price=10 + n, lots=2))
        placed(client, "AURORA-USD", Ask(accounts[n % 2], SELL, price=20 + n, lots=2))
    assert client.value("SELECT exchange.expire()") == 0
    client.rows("UPDATE exchange.artist SET expires_at = clock_timestamp() WHERE asset = 11")

    assert client.place("AURORA-USD", Ask(accounts[0], BUY, price=1, lots=1))[0] == "closed"
    assert client.value("SELECT exchange.expire()") == 8
    assert client.value("SELECT exchange.expire()") == 0

    for account in accounts:
        assert balance(client, account, "USD") == (RICH["USD"], 0)
        assert balance(client, account, "AURORA") == (RICH["AURORA"], 0)
    assert client.value("SELECT count(*) FROM exchange.orders WHERE done_reason = 'expired'") == 8


def test_a_lock_that_is_held_too_long_is_told(client, exchange_database):
    """The instrument's or a balance's: 55P03, and nothing has happened."""
    commands.wait_for_locks(exchange_database, "2s")
    account, other = client.open(**RICH), client.open(**RICH)
    bids = [placed(client, "BTC-USD", Ask(account, BUY, price=10, lots=1)),
            placed(client, "ETH-USD", Ask(other, BUY, price=10, lots=1))]
    with transaction(exchange_database) as held, contextlib.ExitStack() as stack:
        held.execute("SELECT exchange.lock_instrument(1::smallint)")
        held.execute("SELECT * FROM exchange.balance WHERE account = %s FOR UPDATE", (other,))
        new = lambda: stack.enter_context(commands.Client(exchange_database))  # noqa: E731
        calls = []
        for who, symbol, bid in ((account, "BTC-USD", bids[0]), (other, "ETH-USD", bids[1])):
            ask = Ask(who, BUY, price=9, lots=1)
            calls += [lambda one=new(), symbol=symbol, ask=ask: one.place(symbol, ask),
                      lambda one=new(), who=who, bid=bid: one.cancel(who, bid["id"]),
                      lambda one=new(), who=who: one.cancel_all(who)]
        results = at_once(*calls)
    commands.wait_for_locks(exchange_database, "60s")
    assert [getattr(fault, "pgcode", fault) for fault in results] == ["55P03"] * len(calls)
    assert [seq_of(client, symbol) for symbol in ("BTC-USD", "ETH-USD")] == [1, 1]


def test_an_id_whose_first_order_is_rolled_back_is_free_again(client, exchange_database):
    account = client.open(**RICH)
    ask = Ask(account, BUY, price=10, lots=1, client_id="again")
    connection = psycopg2.connect(exchange_database)
    with connection.cursor() as cursor, commands.Client(exchange_database) as other:
        cursor.execute("SELECT outcome FROM exchange.place(%s, 1, 'BTC-USD', 1, 'limit', 10, 1,"
                       " NULL, 'GTC', false, 'dc', 'again')", (account,))
        assert cursor.fetchone() == ("ok",)
        waiting = threading.Thread(target=lambda: results.append(other.place("ETH-USD", ask)))
        results = []
        waiting.start()
        until(lambda: database.query(exchange_database, "SELECT 1 FROM pg_locks WHERE NOT granted"),
              "the second one waits")
        connection.rollback()
        waiting.join()
    connection.close()
    assert results[0][0] == "ok" and results[0][1]["instrument"] == 2
    assert model.BUY == results[0][1]["side"]
