"""A market by the book: price-time priority in exact integers, one object per order.

What the engine of plugins/exchange must do, said a second time and otherwise: orders are objects in
sorted lists, each command changes them one by one, nothing is ever looked up by SQL.  Only what is
promised is here; seq numbers every event of a market, without gaps."""
import bisect
import collections
import dataclasses

BUY, SELL = 1, -1
MILLION = 1000000


def ceil_div(n, d):
    return -(-n // d)


@dataclasses.dataclass(frozen=True)
class Rules:
    """Of one instrument: a row of it."""
    id: int
    symbol: str
    base: int
    quote: int
    lot_atoms: int
    ticklot_atoms: int
    max_ticks: int
    max_lots: int
    min_funds: int
    maker_ppm: int
    taker_ppm: int
    status: str = "online"


@dataclasses.dataclass(frozen=True)
class Ask:
    """What somebody asks for; of lots and funds the other is None, a market order has no price."""
    account: int
    side: int
    type: str = "limit"
    price: int = None
    lots: int = None
    funds: int = None
    tif: str = "GTC"
    post_only: bool = False
    stp: str = "dc"
    client_id: str = None


@dataclasses.dataclass
class Order:
    ask: Ask
    id: int
    seq: int
    maker_ppm: int
    taker_ppm: int
    filled: int = 0
    reduced: int = 0
    executed_maker: int = 0
    executed_taker: int = 0
    fees: int = 0
    hold: int = 0
    done_seq: int = None
    done_reason: str = None

    def left(self):
        return None if self.ask.lots is None else self.ask.lots - self.filled - self.reduced

    def fee_due(self, and_as_taker=0):
        """All fees of its trades so far, rounded up once; of what it might still trade, too."""
        return ceil_div(self.executed_maker * self.maker_ppm
                        + (self.executed_taker + and_as_taker) * self.taker_ppm, MILLION)


class Purse:
    """All balances: amounts and what of them is held."""

    def __init__(self):
        self.amount = collections.Counter()
        self.held = collections.Counter()

    def free(self, account, asset):
        return self.amount[account, asset] - self.held[account, asset]


class Market:
    """One instrument.  place, cancel and cancel_all are all that can happen to it."""

    def __init__(self, rules, purse):
        self.rules, self.purse = rules, purse
        self.seq = self.trade_id = self.fees = 0
        self.last = (None, None, None)  # price, lots, side of the taker
        self.book = {BUY: [], SELL: []}  # (rank, seq, order), the best first
        self.orders = {}
        self.trades, self.events = [], []

    # -- commands: what becomes of them, and the order

    def refusal(self, ask):
        """Why such an order is not looked at, or None."""
        r = self.rules
        if r.status == "offline":
            return "closed"
        if r.status == "cancel_only":
            return "cancel_only"
        if r.status == "post_only" and not ask.post_only:
            return "post_only_mode"
        if ask.price is not None and ask.price > r.max_ticks:
            return "price_too_large"
        if ask.lots is not None and ask.lots > r.max_lots:
            return "size_too_large"
        if ask.funds is not None and ask.funds < r.min_funds:
            return "funds_too_small"
        if ask.post_only and next(self.facing(ask), None):
            return "would_cross"
        return None

    def place(self, ask, order_id, checks_funds=True):
        refusal = self.refusal(ask)
        if refusal:
            return refusal, None
        order = Order(ask, order_id, self.seq + 1, self.rules.maker_ppm, self.rules.taker_ppm)
        meets, end = self.meet(order)
        if checks_funds:
            asset = self.paid_with(ask.side)
            if self.purse.free(ask.account, asset) < self.price_of(order, meets):
                return "insufficient_funds", None
        self.orders[order_id] = order
        self.tell("received", order, lots=ask.lots, funds=ask.funds)
        for kind, maker, lots in meets:
            getattr(self, kind)(order, maker, lots)
        self.conclude(order, bool(meets) and meets[-1][0] == "trade", end)
        return "ok", order

    def cancel(self, order, reason="canceled"):
        """Takes an open order out of the book."""
        left = order.left()
        self.take_out(order)
        self.set_hold(order, 0)
        event = self.tell("done", order, lots=left, delta=-left, book_side=order.ask.side,
                          reason=reason)
        self.finish(order, reason, event["seq"])

    # -- what an order meets

    def facing(self, ask):
        """The orders that this one may trade with, the best first."""
        for _, _, maker in self.book[-ask.side]:
            if ask.price is not None and (maker.ask.price - ask.price) * ask.side > 0:
                return
            yield maker

    def affordable(self, order, spent, price):
        """How many lots of this price an order by funds pays for: searched for, not computed."""
        cost = price * self.rules.ticklot_atoms

        def fits(lots):
            total = spent + lots * cost
            fee = ceil_div(total * order.taker_ppm, MILLION) if order.ask.side == BUY else 0
            return total + fee <= order.ask.funds

        low, high = 0, order.ask.funds // cost + 1  # low fits, high does not
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low

    def meet(self, order):
        """(what happens, maker, lots) one after the other, and why it ends before the book does:
        spent, self (it met its own account) or killed; else None."""
        ask, meets, spent = order.ask, [], 0
        left = ask.lots
        for maker in self.facing(ask):
            most = left if ask.funds is None else self.affordable(order, spent, maker.ask.price)
            if most == 0:
                return self.unless_killed(order, meets, "spent" if ask.funds else None)
            if maker.ask.account == ask.account:
                if ask.stp == "cn" or (ask.stp == "dc" and ask.funds is not None):
                    return self.unless_killed(order, meets, "self")
                if ask.stp == "dc":
                    lots = min(most, maker.left())
                    meets.append(("decrease", maker, lots))
                    left -= lots
                    continue
                meets.append(("cancel_maker", maker, maker.left()))
                if ask.stp == "cb":
                    return self.unless_killed(order, meets, "self")
                continue
            lots = min(most, maker.left())
            meets.append(("trade", maker, lots))
            if left is not None:
                left -= lots
            spent += lots * maker.ask.price * self.rules.ticklot_atoms
            if ask.funds is not None and self.affordable(order, spent, maker.ask.price) == 0:
                return meets, "spent"
        return self.unless_killed(order, meets, None)

    @staticmethod
    def unless_killed(order, meets, end):
        traded = sum(lots for kind, _, lots in meets if kind == "trade")
        if order.ask.tif == "FOK" and order.ask.lots is not None and traded < order.ask.lots:
            return [], "killed"
        return meets, end

    def paid_with(self, side):
        return self.rules.quote if side == BUY else self.rules.base

    def price_of(self, order, meets):
        """What its account must have free before anything of it happens."""
        ask = order.ask
        trades = [(m.ask.price, lots) for kind, m, lots in meets if kind == "trade"]
        if ask.side == SELL:
            lots = ask.lots if ask.lots is not None else sum(lots for _, lots in trades)
            return lots * self.rules.lot_atoms
        if ask.funds is not None:
            return ask.funds
        if ask.type == "limit":
            trades = [(ask.price, ask.lots)]
        notional = sum(price * lots for price, lots in trades) * self.rules.ticklot_atoms
        return notional + ceil_div(notional * order.taker_ppm, MILLION)

    # -- what happens between two orders

    def trade(self, taker, maker, lots):
        price, side = maker.ask.price, taker.ask.side
        notional = price * lots * self.rules.ticklot_atoms
        maker.executed_maker += notional
        taker.executed_taker += notional
        fees = {}
        for order in (maker, taker):
            order.filled += lots
            fees[order.id] = order.fee_due() - order.fees
            order.fees = order.fee_due()
            self.fees += fees[order.id]
            amount, account = self.purse.amount, order.ask.account
            amount[account, self.rules.base] += order.ask.side * lots * self.rules.lot_atoms
            amount[account, self.rules.quote] -= order.ask.side * notional + fees[order.id]
        self.lessen(maker)
        self.trade_id += 1
        self.last = (price, lots, side)
        event = self.tell("match", taker, price=price, lots=lots, delta=-lots, book_side=-side,
                          trade_id=self.trade_id, maker_order=maker.id,
                          maker_account=maker.ask.account, maker_left=maker.left(),
                          taker_left=taker.left())
        self.trades.append({
            "trade_id": self.trade_id, "seq": event["seq"], "price": price, "lots": lots,
            "notional": notional, "taker_side": side, "maker_order": maker.id,
            "taker_order": taker.id, "maker_account": maker.ask.account,
            "taker_account": taker.ask.account, "maker_fee": fees[maker.id],
            "taker_fee": fees[taker.id]})
        if maker.left() == 0:
            self.finish(maker, "filled", event["seq"])

    def decrease(self, taker, maker, lots):
        """Self-trade, dc: the smaller one goes, the larger one shrinks by it."""
        taker.reduced += lots
        maker.reduced += lots
        self.lessen(maker)
        self.end_self_trade(taker, maker, lots)

    def cancel_maker(self, taker, maker, lots):
        """Self-trade, co and cb: the one in the book goes whole."""
        self.take_out(maker)
        self.set_hold(maker, 0)
        self.end_self_trade(taker, maker, lots, is_gone=True)

    def end_self_trade(self, taker, maker, lots, is_gone=False):
        left = 0 if is_gone else maker.left()
        about = {"delta": -lots, "book_side": maker.ask.side, "maker_order": maker.id,
                 "maker_account": maker.ask.account, "maker_left": left,
                 "taker_left": taker.left()}
        if left > 0:
            self.tell("change", maker, lots=left, **about)
        else:
            event = self.tell("done", maker, lots=lots, reason="canceled", **about)
            self.finish(maker, "canceled", event["seq"])

    # -- the end of an order, or its place in the book

    def conclude(self, order, ends_with_trade, end):
        ask, left = order.ask, order.left()
        if left == 0 and ends_with_trade:
            self.finish(order, "filled", self.seq)
        elif end or left == 0 or ask.type == "market" or ask.tif != "GTC":
            if end == "spent" and order.filled > 0:
                reason = "filled"
            elif end == "self" or order.reduced > 0:
                reason = "canceled"
            else:
                reason = "expired"
            event = self.tell("done", order, lots=left, reason=reason)
            self.finish(order, reason, event["seq"])
        else:
            bisect.insort(self.book[ask.side], (self.rank(order), order.seq, order))
            self.set_hold(order, self.need(order))
            self.events[-1].update(rest=left, rest_order=order.id, rest_side=ask.side,
                                   rest_price=ask.price)

    @staticmethod
    def rank(order):
        return -order.ask.side * order.ask.price

    def need(self, order):
        """What an open order must hold: all of the rest at its price and at the higher fee."""
        if order.ask.side == SELL:
            return order.left() * self.rules.lot_atoms
        rest = order.left() * order.ask.price * self.rules.ticklot_atoms
        return rest + order.fee_due(and_as_taker=rest) - order.fees

    def set_hold(self, order, hold):
        self.purse.held[order.ask.account, self.paid_with(order.ask.side)] += hold - order.hold
        order.hold = hold

    def lessen(self, maker):
        if maker.left() == 0:
            self.take_out(maker)
            self.set_hold(maker, 0)
        else:
            self.set_hold(maker, self.need(maker))

    def take_out(self, order):
        side = self.book[order.ask.side]
        at = bisect.bisect_left(side, (self.rank(order), order.seq))
        assert side[at][2] is order
        del side[at]

    @staticmethod
    def finish(order, reason, seq):
        order.done_reason, order.done_seq = reason, seq

    def tell(self, kind, order, **about):
        self.seq += 1
        event = {
            "seq": self.seq, "kind": kind, "order_id": order.id, "account": order.ask.account,
            "side": order.ask.side, "price": order.ask.price, "lots": None, "funds": None,
            "delta": 0, "book_side": None, "rest": 0, "rest_order": None, "rest_side": None,
            "rest_price": None, "trade_id": None, "maker_order": None, "maker_account": None,
            "maker_left": None, "taker_left": None, "reason": None, **about}
        self.events.append(event)
        return event

    def level(self, side, price):
        """All lots at a price."""
        return sum(o.left() for _, _, o in self.book[side] if o.ask.price == price)
