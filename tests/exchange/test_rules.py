"""What the exchange says of its own books: each rule of the view `violations` finds what breaks it, and
the ledger is double entry."""
import psycopg2
import pytest

import commands
from model import BUY, SELL, Ask

RICH = {"USD": 10 ** 15, "BTC": 10 ** 12}
OPEN = "WHERE done_seq IS NULL"
BREAKS = {  # the rule that a client id is unique has an index besides, which nobody gets past
    "a balance is negative or holds more than it has":
        "UPDATE exchange.balance SET hold = amount + 1 WHERE asset = 1",
    "money of an asset is not conserved": "UPDATE exchange.asset SET supply = supply + 1",
    "a balance is not the sum of its ledger": "UPDATE exchange.deposit SET amount = amount + 1",
    "a hold is not the sum of the open orders' holds":
        f"UPDATE exchange.stored_order SET hold = hold + 1 {OPEN}",
    "an open order does not hold what it needs":
        f"UPDATE exchange.stored_order SET hold = hold + 1 {OPEN}",
    "a book is crossed": "UPDATE exchange.book SET key = -1000 WHERE side = 1",
    "the book is not the open orders": "DELETE FROM exchange.book",
    "an order is filled beyond its size or is not the sum of its trades":
        "UPDATE exchange.stored_order SET filled = filled + 1",
    "an order is half done":
        "UPDATE exchange.stored_order SET done_at = NULL WHERE done_seq IS NOT NULL",
    "a feed has a gap or is not as long as its market says":
        "DELETE FROM exchange.event WHERE seq = 2",
    "a market counts other trades than there are": "DELETE FROM exchange.trade",
    "candles are not the trades": "UPDATE exchange.minute SET high = high + 1",
}


@pytest.fixture
def traded(exchange_database):
    """A trade, a rest of it in the book, and a bid below: a URL."""
    with commands.Client(exchange_database) as client:
        seller, buyer = client.open(**RICH), client.open(**RICH)
        for ask in (Ask(seller, SELL, price=100, lots=50), Ask(buyer, BUY, price=100, lots=20),
                    Ask(buyer, BUY, price=90, lots=20)):
            assert client.place("BTC-USD", ask)[0] == "ok"
        assert client.rows("SELECT * FROM exchange.violations WHERE n <> 0") == []
    return exchange_database


@pytest.mark.parametrize("rule", BREAKS)
def test_a_rule_finds_what_breaks_it(traded, rule):
    connection = psycopg2.connect(traded)
    try:
        cursor = connection.cursor()
        if rule.startswith("a balance is negative"):  # a CHECK stands before the rule
            cursor.execute("ALTER TABLE exchange.balance DROP CONSTRAINT balance_check")
        cursor.execute(BREAKS[rule])
        assert cursor.rowcount > 0
        cursor.execute("SELECT n FROM exchange.violations WHERE rule = %s", (rule,))
        assert cursor.fetchone()[0] > 0
    finally:
        connection.rollback()
        connection.close()


def test_each_booking_of_the_ledger_sums_to_zero(traded):
    with commands.Client(traded) as client:
        sums = client.rows("SELECT kind, asset, sum(amount) AS total, count(*) AS n "
                           "FROM exchange.ledger GROUP BY kind, asset, instrument, trade_id, "
                           "CASE kind WHEN 'deposit' THEN ref END")
        fees = client.value("SELECT fees FROM exchange.market WHERE instrument = 1")
        kept = client.value("SELECT sum(amount) FROM exchange.ledger WHERE account = -1")
        world = client.value("SELECT sum(amount) FROM exchange.ledger WHERE account = 0 AND asset = 1")
        supply = client.value("SELECT supply FROM exchange.asset WHERE id = 1")

    assert {row["kind"] for row in sums} == {"deposit", "match", "fee"}
    assert all(row["total"] == 0 and row["n"] > 1 for row in sums), sums
    assert kept == fees > 0
    assert world == -supply
