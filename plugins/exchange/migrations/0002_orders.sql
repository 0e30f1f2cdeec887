-- The only writers of orders: place, cancel, cancel_all.
--
-- One transaction for one command.  Its order of locks is the same everywhere, so nothing can
-- deadlock: the assets of a payment (ascending), then the instruments (ascending), then the balances
-- concerned (by account and asset).  Nothing is waited for after that.  All locks end with the transaction, so a pooler between is welcome.
--
-- A rejected command changes nothing and is an outcome, not an error: the server's log stays readable.
-- Plans are pinned to index scans: they are made while tables are empty, and kept.

CREATE TYPE placed AS (outcome text, o stored_order);

-- What the sweep of one order does to one order in the book.
CREATE TYPE step AS (
    kind text,       -- T: a trade; C: the maker is canceled, D: decreased, both against self-trade
    seq bigint,
    trade_id bigint,
    key bigint,      -- of the row in the book
    book_seq bigint,
    maker_order bigint,
    maker_account bigint,
    price bigint,
    lots bigint,
    notional bigint,
    maker_left bigint,
    taker_left bigint,
    maker_fee bigint,
    taker_fee bigint,
    executed bigint, -- what the maker's row says from here on
    fees bigint,
    hold bigint,
    freed bigint     -- of the maker's hold
);

-- The fees of an order so far: the exact sum, rounded up once.  Charging the difference to what was
-- charged before never exceeds what was held.  RETURN binds names here, not in the search path of who
-- reads a view.
CREATE FUNCTION fee_of(maker bigint, taker bigint, maker_ppm int, taker_ppm int) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN maker / 1000000 * maker_ppm + taker / 1000000 * taker_ppm
       + (maker % 1000000 * maker_ppm + taker % 1000000 * taker_ppm + 999999) / 1000000;

-- What an order to buy has to hold: the rest at its price, with the higher fee.
CREATE FUNCTION need_of(lots bigint, price bigint, ticklot_atoms bigint, maker bigint, taker bigint,
                        maker_ppm int, taker_ppm int, fees bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lots * price * ticklot_atoms
       + fee_of(maker, taker + lots * price * ticklot_atoms, maker_ppm, taker_ppm) - fees;

-- Checks a caller that only reads: the account, or an error SX401.
CREATE FUNCTION session(p_account bigint, p_generation int) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = exchange, pg_temp AS $$
BEGIN
    PERFORM 1 FROM account a WHERE a.id = p_account AND a.generation = p_generation;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no such key' USING ERRCODE = 'SX401';
    END IF;
    RETURN p_account;
END $$;

CREATE FUNCTION lock_instrument(p_instrument smallint) RETURNS void
LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock(1398297688, p_instrument) $$;

-- Makes a sweep true: makers, book, trades, events, candle, balances of the makers.  rest: of n, what
-- comes to lie in the book.  Called by place only, which holds all locks and pins the plans.  Most sweeps
-- have one or two steps: plain statements in a loop cost a third of statements over the set of steps.
CREATE FUNCTION apply_steps(i instrument, n stored_order, steps step[], t timestamptz, rest bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    s step;
    rests boolean;
    c minute%ROWTYPE;
BEGIN
    FOREACH s IN ARRAY steps LOOP
        UPDATE stored_order o
        SET filled = o.filled + CASE s.kind WHEN 'T' THEN s.lots ELSE 0 END,
            reduced = o.reduced + CASE s.kind WHEN 'D' THEN s.lots ELSE 0 END,
            executed_maker = s.executed, fees = s.fees, hold = s.hold,
            done_seq = CASE s.maker_left WHEN 0 THEN s.seq END,
            done_at = CASE s.maker_left WHEN 0 THEN t END,
            done_reason = CASE WHEN s.maker_left > 0 THEN NULL WHEN s.kind = 'T' THEN 'filled'
                               ELSE 'canceled' END
        WHERE o.id = s.maker_order;
        IF s.maker_left = 0 THEN
            DELETE FROM book b WHERE b.instrument = i.id AND b.side = -n.side AND b.key = s.key
                                     AND b.seq = s.book_seq;
        ELSE
            UPDATE book b SET lots = s.maker_left
            WHERE b.instrument = i.id AND b.side = -n.side AND b.key = s.key AND b.seq = s.book_seq;
        END IF;
        rests := rest > 0 AND s.seq = steps[cardinality(steps)].seq;
        INSERT INTO event (instrument, seq, kind, at, order_id, account, side, price, lots, delta,
                           book_side, trade_id, maker_order, maker_account, maker_left, taker_left,
                           reason, rest, rest_order, rest_side, rest_price)
        VALUES (i.id, s.seq,
                CASE WHEN s.kind = 'T' THEN 'match' WHEN s.maker_left = 0 THEN 'done' ELSE 'change' END,
                t, CASE s.kind WHEN 'T' THEN n.id ELSE s.maker_order END, n.account,
                CASE s.kind WHEN 'T' THEN n.side ELSE -n.side END, s.price,
                CASE WHEN s.kind = 'D' AND s.maker_left > 0 THEN s.maker_left ELSE s.lots END, -s.lots,
                -n.side, s.trade_id, s.maker_order, s.maker_account, s.maker_left, s.taker_left,
                CASE WHEN s.kind <> 'T' AND s.maker_left = 0 THEN 'canceled' END,
                CASE WHEN rests THEN rest ELSE 0 END, CASE WHEN rests THEN n.id END,
                CASE WHEN rests THEN n.side END, CASE WHEN rests THEN n.price END);
        IF s.kind = 'T' THEN
            INSERT INTO trade (instrument, trade_id, seq, at, price, lots, notional, taker_side,
                               maker_order, taker_order, maker_account, taker_account, maker_fee,
                               taker_fee)
            VALUES (i.id, s.trade_id, s.seq, t, s.price, s.lots, s.notional, n.side,
                    s.maker_order, n.id, s.maker_account, n.account, s.maker_fee,
                    s.taker_fee);
            c.open := coalesce(c.open, s.price);  c.close := s.price;
            c.high := greatest(c.high, s.price);  c.low := least(c.low, s.price);
            c.lots := coalesce(c.lots, 0) + s.lots;
            c.notional := coalesce(c.notional, 0) + s.notional;
            c.n_trades := coalesce(c.n_trades, 0) + 1;
        END IF;
    END LOOP;

    IF c.n_trades > 0 THEN
        INSERT INTO minute AS x (instrument, minute, open, high, low, close, lots, notional, n_trades)
        VALUES (i.id, floor(extract(epoch FROM t) / 60)::bigint, c.open, c.high, c.low, c.close, c.lots,
                c.notional, c.n_trades)
        ON CONFLICT (instrument, minute) DO UPDATE
        SET high = greatest(x.high, excluded.high), low = least(x.low, excluded.low),
            close = excluded.close, lots = x.lots + excluded.lots,
            notional = x.notional + excluded.notional, n_trades = x.n_trades + excluded.n_trades;
    END IF;
    -- One update of an account, however many of its orders were met.
    UPDATE balance b
    SET amount = b.amount + CASE b.asset WHEN i.base THEN -n.side * d.lots * i.lot_atoms
                                         ELSE n.side * d.notional - d.fees END,
        hold = b.hold - CASE b.asset WHEN (CASE n.side WHEN 1 THEN i.base ELSE i.quote END) THEN d.freed
                                     ELSE 0 END
    FROM (SELECT x.maker_account AS account, sum(x.notional)::bigint AS notional,
                 sum(CASE x.kind WHEN 'T' THEN x.lots ELSE 0 END)::bigint AS lots,
                 sum(coalesce(x.maker_fee, 0))::bigint AS fees, sum(x.freed)::bigint AS freed
          FROM unnest(steps) x GROUP BY x.maker_account) d
    WHERE b.account = d.account AND b.asset IN (i.base, i.quote);
END $$;

-- p_side 1 buys, -1 sells; p_price in ticks, p_lots in lots, p_funds in atoms of the quote; of p_lots
-- and p_funds exactly one.  Outcomes: ok, duplicate (with the stored order), no_account,
-- no_instrument, closed, cancel_only, post_only_mode, price_too_large, size_too_large, funds_too_small,
-- would_cross, insufficient_funds.
CREATE FUNCTION place(p_account bigint, p_generation int, p_symbol text, p_side int, p_type text,
                      p_price bigint, p_lots bigint, p_funds bigint, p_tif text, p_post_only boolean,
                      p_stp text, p_client_id text) RETURNS placed
LANGUAGE plpgsql SECURITY DEFINER SET search_path = exchange, pg_temp
SET lock_timeout = '2s' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    i instrument%ROWTYPE;
    m market%ROWTYPE;
    n stored_order%ROWTYPE; -- the new order
    r record;
    s step;
    steps step[] := '{}';
    expires timestamptz;
    t timestamptz;
    left_lots bigint := p_lots;
    cap bigint;          -- of the notional, for an order by funds
    cost bigint;         -- of one lot
    traded bigint := 0;  -- lots
    is_stopped boolean := false;
    is_spent boolean := false; -- funds that pay for no lot more at the price that was reached
    has_done boolean := false; -- an event of its own
    rests boolean := false;
    free bigint;
    need bigint;
    spends smallint;
    fees_total bigint := 0;
BEGIN
    IF (p_side IN (1, -1) AND p_tif IN ('GTC', 'IOC', 'FOK') AND p_stp IN ('dc', 'co', 'cn', 'cb')
        AND p_post_only IS NOT NULL
        AND CASE p_type WHEN 'limit' THEN p_price > 0 AND p_lots > 0 AND p_funds IS NULL
                        WHEN 'market' THEN p_price IS NULL AND (p_lots IS NULL) <> (p_funds IS NULL)
                                           AND coalesce(p_lots, p_funds) > 0 END) IS NOT TRUE THEN
        RAISE EXCEPTION 'this is no order' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO i FROM instrument x WHERE x.symbol = p_symbol;
    IF NOT FOUND THEN RETURN ROW('no_instrument', NULL)::placed; END IF;
    SELECT x.expires_at INTO expires FROM account a LEFT JOIN artist x ON x.asset = i.base
    WHERE a.id = p_account AND a.generation = p_generation;
    IF NOT FOUND THEN RETURN ROW('no_account', NULL)::placed; END IF;

    PERFORM lock_instrument(i.id);
    IF p_client_id IS NOT NULL THEN
        SELECT * INTO n FROM stored_order x WHERE x.account = p_account AND x.client_id = p_client_id;
        IF FOUND THEN RETURN ROW('duplicate', n)::placed; END IF;
    END IF;
    SELECT * INTO m FROM market x WHERE x.instrument = i.id;
    t := greatest(clock_timestamp(), m.at);
    IF i.status = 'offline' OR expires <= t THEN RETURN ROW('closed', NULL)::placed; END IF;
    IF i.status = 'cancel_only' THEN RETURN ROW('cancel_only', NULL)::placed; END IF;
    IF i.status = 'post_only' AND NOT p_post_only THEN
        RETURN ROW('post_only_mode', NULL)::placed;
    END IF;
    IF p_price > i.max_ticks THEN RETURN ROW('price_too_large', NULL)::placed; END IF;
    IF p_lots > i.max_lots THEN RETURN ROW('size_too_large', NULL)::placed; END IF;
    IF p_funds < i.min_funds THEN RETURN ROW('funds_too_small', NULL)::placed; END IF;

    n.account := p_account;  n.instrument := i.id;  n.side := p_side;  n.type := p_type;
    n.price := p_price;  n.lots := p_lots;  n.funds := p_funds;  n.tif := p_tif;
    n.post_only := p_post_only;  n.stp := p_stp;  n.client_id := p_client_id;
    n.maker_ppm := i.maker_ppm;  n.taker_ppm := i.taker_ppm;
    n.seq := m.seq + 1;  n.created_at := t;
    n.filled := 0;  n.reduced := 0;  n.executed_maker := 0;  n.executed_taker := 0;
    n.fees := 0;  n.hold := 0;
    m.seq := m.seq + 1;
    -- x + ceil(x * ppm) <= funds is the same as x <= floor(funds / (1 + ppm)).
    cap := CASE WHEN p_side < 0 THEN p_funds
                ELSE p_funds / (1000000 + i.taker_ppm) * 1000000
                     + p_funds % (1000000 + i.taker_ppm) * 1000000 / (1000000 + i.taker_ppm) END;

    -- The sweep, on paper.
    FOR r IN
        SELECT b.key, b.seq, b.order_id, b.account, b.lots, o.executed_maker, o.executed_taker,
               o.maker_ppm, o.taker_ppm, o.fees, o.hold
        FROM book b JOIN stored_order o ON o.id = b.order_id
        WHERE b.instrument = i.id AND b.side = -p_side
              AND b.key <= coalesce(p_side * p_price, 9223372036854775807)
        ORDER BY b.key, b.seq
    LOOP
        IF p_post_only THEN RETURN ROW('would_cross', NULL)::placed; END IF;
        EXIT WHEN left_lots = 0;
        s := NULL;
        s.key := r.key;  s.book_seq := r.seq;
        s.maker_order := r.order_id;  s.maker_account := r.account;  s.price := abs(r.key);
        cost := s.price * i.ticklot_atoms;
        is_spent := p_funds IS NOT NULL AND cap - n.executed_taker < cost;
        EXIT WHEN is_spent;
        IF r.account <> p_account THEN
            s.kind := 'T';
            s.lots := least(r.lots, CASE WHEN p_funds IS NULL THEN left_lots
                                         ELSE (cap - n.executed_taker) / cost END);
        ELSIF p_stp = 'cn' OR (p_stp = 'dc' AND p_funds IS NOT NULL) THEN
            is_stopped := true;
            EXIT;
        ELSIF p_stp = 'dc' THEN
            s.kind := 'D';
            s.lots := least(r.lots, left_lots);
            n.reduced := n.reduced + s.lots;
        ELSE
            s.kind := 'C';
            s.lots := r.lots;
            is_stopped := p_stp = 'cb';
        END IF;
        IF s.kind <> 'C' THEN left_lots := left_lots - s.lots; END IF;
        m.seq := m.seq + 1;
        s.seq := m.seq;
        s.maker_left := r.lots - s.lots;
        s.taker_left := left_lots;
        s.executed := r.executed_maker;
        s.fees := r.fees;
        s.notional := 0;
        IF s.kind = 'T' THEN
            m.trade_id := m.trade_id + 1;
            s.trade_id := m.trade_id;
            s.notional := s.lots * cost;
            s.executed := r.executed_maker + s.notional;
            s.fees := fee_of(s.executed, r.executed_taker, r.maker_ppm, r.taker_ppm);
            s.maker_fee := s.fees - r.fees;
            traded := traded + s.lots;
            n.executed_taker := n.executed_taker + s.notional;
            s.taker_fee := fee_of(0, n.executed_taker, n.maker_ppm, n.taker_ppm) - n.fees;
            n.fees := n.fees + s.taker_fee;
            fees_total := fees_total + s.maker_fee + s.taker_fee;
            m.last_price := s.price;  m.last_lots := s.lots;  m.last_side := p_side;  m.last_at := t;
        END IF;
        s.hold := CASE WHEN s.maker_left = 0 THEN 0
                       WHEN p_side > 0 THEN s.maker_left * i.lot_atoms
                       ELSE need_of(s.maker_left, s.price, i.ticklot_atoms, s.executed,
                                    r.executed_taker, r.maker_ppm, r.taker_ppm, s.fees) END;
        s.freed := r.hold - s.hold;
        steps := steps || s;
        is_spent := s.kind = 'T' AND p_funds IS NOT NULL AND cap - n.executed_taker < cost;
        EXIT WHEN is_stopped OR is_spent;
    END LOOP;

    n.filled := traded;
    IF p_tif = 'FOK' AND (left_lots > 0 OR n.reduced > 0) THEN -- nothing of it happens
        SELECT * INTO m FROM market x WHERE x.instrument = i.id;
        m.seq := n.seq;
        steps := '{}';
        traded := 0;  fees_total := 0;
        left_lots := p_lots;
        n.filled := 0;  n.reduced := 0;  n.executed_taker := 0;  n.fees := 0;
        is_stopped := true;
    END IF;

    -- The end of the order, or its rest.
    n.done_at := t;
    n.done_seq := m.seq;
    IF left_lots = 0 AND steps[cardinality(steps)].kind = 'T' THEN
        n.done_reason := 'filled'; -- by the last trade
    ELSIF is_stopped OR left_lots = 0 OR p_type = 'market' OR p_tif <> 'GTC' THEN
        has_done := true;
        m.seq := m.seq + 1;
        n.done_seq := m.seq;
        n.done_reason := CASE WHEN is_spent AND traded > 0 THEN 'filled'
                              WHEN is_stopped AND p_tif <> 'FOK' OR n.reduced > 0 THEN 'canceled'
                              ELSE 'expired' END;
    ELSE
        n.done_at := NULL;  n.done_seq := NULL;
        rests := true;
        n.hold := CASE WHEN p_side < 0 THEN left_lots * i.lot_atoms
                       ELSE need_of(left_lots, p_price, i.ticklot_atoms, 0, n.executed_taker,
                                    n.maker_ppm, n.taker_ppm, n.fees) END;
    END IF;

    -- The balances: the one that pays, and where something changes hands all that are concerned.
    spends := CASE WHEN p_side > 0 THEN i.quote ELSE i.base END;
    IF cardinality(steps) > 0 THEN
        PERFORM 1 FROM balance b
        WHERE b.account = ANY (ARRAY(SELECT p_account UNION SELECT x.maker_account FROM unnest(steps) x))
              AND b.asset = ANY (ARRAY[i.base, i.quote])
        ORDER BY b.account, b.asset FOR UPDATE;
    END IF;
    SELECT b.amount - b.hold INTO free FROM balance b
    WHERE b.account = p_account AND b.asset = spends FOR UPDATE;
    IF p_side < 0 THEN free := free / i.lot_atoms; END IF; -- in lots: all bids' atoms may be too many
    need := CASE WHEN p_side < 0 THEN coalesce(p_lots, traded)
                 WHEN p_funds IS NOT NULL THEN p_funds
                 WHEN p_type = 'limit' THEN need_of(p_lots, p_price, i.ticklot_atoms, 0, 0,
                                                    n.maker_ppm, n.taker_ppm, 0)
                 ELSE n.executed_taker + n.fees END;
    IF free IS NULL OR free < need THEN RETURN ROW('insufficient_funds', NULL)::placed; END IF;

    -- From here on things change.
    INSERT INTO stored_order
        (account, instrument, side, type, price, lots, funds, tif, post_only, stp, client_id, maker_ppm,
         taker_ppm, seq, created_at, filled, reduced, executed_taker, fees, hold, done_seq, done_reason,
         done_at)
    VALUES
        (n.account, n.instrument, n.side, n.type, n.price, n.lots, n.funds, n.tif, n.post_only, n.stp,
         n.client_id, n.maker_ppm, n.taker_ppm, n.seq, n.created_at, n.filled, n.reduced,
         n.executed_taker, n.fees, n.hold, n.done_seq, n.done_reason, n.done_at)
    ON CONFLICT (account, client_id) WHERE client_id IS NOT NULL DO NOTHING
    RETURNING id INTO n.id;
    IF NOT FOUND THEN -- the same client id came on another instrument, at the same time
        SELECT * INTO n FROM stored_order x WHERE x.account = p_account AND x.client_id = p_client_id;
        RETURN ROW('duplicate', n)::placed;
    END IF;
    IF rests THEN
        INSERT INTO book (instrument, side, key, seq, order_id, account, lots)
        VALUES (i.id, p_side, -p_side * p_price, n.seq, n.id, p_account, left_lots);
    END IF;
    INSERT INTO event (instrument, seq, kind, at, order_id, account, side, price, lots, funds, rest,
                       rest_order, rest_side, rest_price)
    SELECT i.id, n.seq, 'received', t, n.id, p_account, p_side, p_price, p_lots, p_funds,
           CASE WHEN x THEN left_lots ELSE 0 END, CASE WHEN x THEN n.id END,
           CASE WHEN x THEN p_side END, CASE WHEN x THEN p_price END
    FROM (SELECT rests AND cardinality(steps) = 0 AS x) y;
    IF cardinality(steps) > 0 THEN
        PERFORM apply_steps(i, n, steps, t, CASE WHEN rests THEN left_lots ELSE 0 END);
    END IF;
    IF traded > 0 THEN
        UPDATE balance b
        SET amount = b.amount + CASE b.asset WHEN i.base THEN p_side * traded * i.lot_atoms
                                             ELSE -p_side * n.executed_taker - n.fees END,
            hold = b.hold + CASE b.asset WHEN spends THEN n.hold ELSE 0 END
        WHERE b.account = p_account AND b.asset IN (i.base, i.quote);
    ELSIF n.hold > 0 THEN
        UPDATE balance b SET hold = b.hold + n.hold WHERE b.account = p_account AND b.asset = spends;
    END IF;
    IF has_done THEN
        INSERT INTO event (instrument, seq, kind, at, order_id, account, side, price, lots, reason)
        VALUES (i.id, n.done_seq, 'done', t, n.id, p_account, p_side, p_price, left_lots, n.done_reason);
    END IF;
    UPDATE market x
    SET seq = m.seq, trade_id = m.trade_id, fees = x.fees + fees_total, at = t,
        last_price = m.last_price, last_lots = m.last_lots, last_side = m.last_side, last_at = m.last_at
    WHERE x.instrument = i.id;
    RETURN ROW('ok', n)::placed;
END $$;

-- Takes open orders out of the books.  The caller holds the locks of their instruments; this one locks
-- the balances, and looks again which of p_orders are open.  However many there are, a balance and a
-- market are written once: versions of one row in one transaction are walked through again and again.
CREATE FUNCTION withdraw(p_orders bigint[], p_reason text) RETURNS SETOF stored_order
LANGUAGE plpgsql AS $$
DECLARE
    r record;
    o stored_order%ROWTYPE;
BEGIN
    PERFORM 1 FROM balance b
    WHERE (b.account, b.asset) IN (
        SELECT x.account, CASE x.side WHEN 1 THEN y.quote ELSE y.base END
        FROM stored_order x JOIN instrument y ON y.id = x.instrument
        WHERE x.id = ANY (p_orders) AND x.done_seq IS NULL)
    ORDER BY b.account, b.asset FOR UPDATE;
    UPDATE balance b SET hold = b.hold - d.hold
    FROM (SELECT x.account, CASE x.side WHEN 1 THEN y.quote ELSE y.base END AS asset,
                 sum(x.hold)::bigint AS hold
          FROM stored_order x JOIN instrument y ON y.id = x.instrument
          WHERE x.id = ANY (p_orders) AND x.done_seq IS NULL GROUP BY 1, 2) d
    WHERE b.account = d.account AND b.asset = d.asset;
    UPDATE market m SET seq = m.seq + d.n, at = greatest(clock_timestamp(), m.at)
    FROM (SELECT x.instrument, count(*) AS n FROM stored_order x
          WHERE x.id = ANY (p_orders) AND x.done_seq IS NULL GROUP BY x.instrument) d
    WHERE m.instrument = d.instrument;
    FOR r IN
        SELECT x.id, x.lots - x.filled - x.reduced AS lots, m.at,
               m.seq + 1 - row_number() OVER (PARTITION BY x.instrument ORDER BY x.seq DESC) AS seq
        FROM stored_order x JOIN market m ON m.instrument = x.instrument
        WHERE x.id = ANY (p_orders) AND x.done_seq IS NULL ORDER BY x.instrument, x.seq
    LOOP
        UPDATE stored_order x
        SET hold = 0, done_seq = r.seq, done_at = r.at, done_reason = p_reason
        WHERE x.id = r.id RETURNING * INTO o;
        DELETE FROM book b WHERE b.instrument = o.instrument AND b.side = o.side
                                 AND b.key = -o.side * o.price AND b.seq = o.seq;
        INSERT INTO event (instrument, seq, kind, at, order_id, account, side, price, lots, delta,
                           book_side, reason)
        VALUES (o.instrument, r.seq, 'done', r.at, o.id, o.account, o.side, o.price, r.lots, -r.lots,
                o.side, p_reason);
        RETURN NEXT o;
    END LOOP;
END $$;

-- By p_order or, where that is NULL, by p_client_id; p_symbol may be NULL.  Outcomes: ok, done (with the
-- order), not_found, no_account.
CREATE FUNCTION cancel(p_account bigint, p_generation int, p_symbol text, p_order bigint,
                       p_client_id text) RETURNS placed
LANGUAGE plpgsql SECURITY DEFINER SET search_path = exchange, pg_temp
SET lock_timeout = '2s' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET enable_bitmapscan = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    o stored_order%ROWTYPE;
    found_id bigint;
BEGIN
    PERFORM 1 FROM account a WHERE a.id = p_account AND a.generation = p_generation;
    IF NOT FOUND THEN RETURN ROW('no_account', NULL)::placed; END IF;
    IF p_order IS NOT NULL THEN
        SELECT * INTO o FROM stored_order x WHERE x.id = p_order;
    ELSE
        SELECT * INTO o FROM stored_order x WHERE x.account = p_account AND x.client_id = p_client_id;
    END IF;
    IF o.id IS NULL OR o.account <> p_account
       OR (p_symbol IS NOT NULL
           AND NOT EXISTS (SELECT 1 FROM instrument i WHERE i.id = o.instrument AND i.symbol = p_symbol))
    THEN
        RETURN ROW('not_found', NULL)::placed;
    END IF;
    IF o.done_seq IS NULL THEN
        PERFORM lock_instrument(o.instrument);
        found_id := o.id;
        SELECT * INTO o FROM withdraw(ARRAY[found_id], 'canceled');
        IF FOUND THEN RETURN ROW('ok', o)::placed; END IF;
        SELECT * INTO o FROM stored_order x WHERE x.id = found_id; -- somebody was faster
    END IF;
    RETURN ROW('done', o)::placed;
END $$;

-- All open orders of an account, of one instrument or (NULL) of all; what was canceled.
CREATE FUNCTION cancel_all(p_account bigint, p_generation int, p_symbol text)
RETURNS SETOF stored_order
LANGUAGE plpgsql SECURITY DEFINER SET search_path = exchange, pg_temp
SET lock_timeout = '2s' SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    wanted smallint[];
    x smallint;
BEGIN
    PERFORM session(p_account, p_generation);
    wanted := ARRAY(SELECT DISTINCT o.instrument FROM stored_order o
                    WHERE o.account = p_account AND o.done_seq IS NULL
                          AND (p_symbol IS NULL
                               OR o.instrument = (SELECT i.id FROM instrument i WHERE i.symbol = p_symbol))
                    ORDER BY o.instrument);
    FOREACH x IN ARRAY wanted LOOP
        PERFORM lock_instrument(x);
    END LOOP;
    RETURN QUERY SELECT * FROM withdraw(
        ARRAY(SELECT o.id FROM stored_order o
              WHERE o.account = p_account AND o.done_seq IS NULL AND o.instrument = ANY (wanted)),
        'canceled');
END $$;

-- Ends all orders of instruments that have expired; how many.
CREATE FUNCTION expire() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = exchange, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    due smallint;
    n bigint := 0;
BEGIN
    FOR due IN SELECT i.id FROM instrument i JOIN artist a ON a.asset = i.base
               WHERE a.expires_at <= clock_timestamp()
                     AND EXISTS (SELECT 1 FROM book b WHERE b.instrument = i.id) ORDER BY i.id LIMIT 1
    LOOP
        PERFORM lock_instrument(due);
        n := n + (SELECT count(*) FROM withdraw(
            ARRAY(SELECT b.order_id FROM book b WHERE b.instrument = due LIMIT 1000), 'expired'));
    END LOOP;
    RETURN n;
END $$;

-- Deletes events that are older, the oldest first and at most 50,000 at once, but never the last one of an
-- instrument; how many.
CREATE FUNCTION prune(p_hours int) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = exchange, pg_temp AS $$
    WITH gone AS (
        DELETE FROM event e USING (
            SELECT m.instrument,
                   (SELECT max(y.seq) FROM (
                        SELECT x.seq, x.at FROM event x WHERE x.instrument = m.instrument
                        ORDER BY x.seq LIMIT 50000) y
                    WHERE y.at < clock_timestamp() - make_interval(hours => p_hours) AND y.seq < m.seq
                   ) AS last
            FROM market m
            WHERE (SELECT x.at FROM event x WHERE x.instrument = m.instrument ORDER BY x.seq LIMIT 1)
                  < clock_timestamp() - make_interval(hours => p_hours)) d
        WHERE e.instrument = d.instrument AND e.seq <= d.last RETURNING 1)
    SELECT count(*) FROM gone
$$;
