-- What this dialect asks for in one statement, over the views of the exchange.  Plans are pinned to
-- index scans: they are made while tables are empty, and kept.

-- A time that is given in milliseconds since 1970.
CREATE FUNCTION at_ms(p_ms bigint) RETURNS timestamptz
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT timestamptz 'epoch' + p_ms * interval '1 millisecond'
$$;

-- The trades in which an order was the taker.  Volatile, so that it sees those of the command that
-- stands before it in the same statement.
CREATE FUNCTION taker_fills(p_order bigint)
RETURNS TABLE (trade_id bigint, price bigint, lots bigint, fee bigint)
LANGUAGE plpgsql VOLATILE STRICT SET search_path = binance, exchange, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY SELECT t.trade_id, t.price, t.lots, t.taker_fee FROM trades t
                 WHERE t.taker_order = p_order ORDER BY t.trade_id;
END $$;

-- The first trade of an instrument at or after a time, or the number that its next one will get.
-- Ids have no gaps and times never go back, so it is found by halving.
CREATE FUNCTION trade_since(p_instrument smallint, p_at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE STRICT SET search_path = binance, exchange, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    low bigint := 1;
    high bigint := 1 + (SELECT m.trade_id FROM markets m WHERE m.instrument = p_instrument);
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high) / 2;
        IF (SELECT t.at FROM trades t WHERE t.instrument = p_instrument AND t.trade_id = middle) < p_at
        THEN
            low := middle + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;

-- The number of the candle in which a minute lies, and the minute at which a candle begins.  Candles
-- of p_step minutes are counted from p_shift minutes before 1970; a step of 0 is a month, p_shift then
-- is the distance of a time zone from UTC.
CREATE FUNCTION candle_of(p_minute bigint, p_step int, p_shift int) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_step > 0 THEN (p_minute + p_shift) / p_step
                ELSE (extract(year FROM x) * 12 + extract(month FROM x) - 1)::bigint END
    FROM (SELECT timestamp 'epoch' + (p_minute + p_shift) * interval '1 minute' AS x) y
$$;
CREATE FUNCTION candle_begin(p_candle bigint, p_step int, p_shift int) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_step > 0 THEN p_candle * p_step
                ELSE (extract(epoch FROM make_date((p_candle / 12)::int, (p_candle % 12)::int + 1, 1)::timestamp)
                      / 60)::bigint END - p_shift
$$;

-- Candles that begin between two minutes, at most p_limit: the first ones where p_from is given, else the
-- last ones.  They leave no gap: where nothing was traded, all prices are the last one before.  There
-- are none before the first trade and none in the future.
CREATE FUNCTION candles(p_instrument smallint, p_step int, p_shift int, p_from bigint, p_to bigint,
                        p_limit int)
RETURNS TABLE (begins bigint, ends bigint, open bigint, high bigint, low bigint, close bigint,
               lots numeric, notional numeric, n_trades bigint)
LANGUAGE plpgsql STABLE SET search_path = binance, exchange, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    born bigint := (SELECT c.minute FROM minutes c WHERE c.instrument = p_instrument
                    ORDER BY c.minute LIMIT 1);
    this_minute bigint := floor(extract(epoch FROM clock_timestamp()) / 60);
    first bigint;
    last bigint := candle_of(least(p_to, this_minute), p_step, p_shift);
    price bigint;
    next bigint;
    c record;
BEGIN
    IF born IS NULL OR p_to < born THEN RETURN; END IF;
    first := candle_of(born, p_step, p_shift);
    IF p_from IS NULL THEN
        first := greatest(first, last - p_limit + 1);
    ELSIF p_from > candle_begin(first, p_step, p_shift) THEN
        IF p_from > this_minute THEN RETURN; END IF;
        first := candle_of(p_from, p_step, p_shift);
        IF candle_begin(first, p_step, p_shift) < p_from THEN first := first + 1; END IF;
    END IF;
    last := least(last, first + p_limit - 1);
    next := first;
    price := (SELECT x.close FROM minutes x
              WHERE x.instrument = p_instrument AND x.minute < candle_begin(first, p_step, p_shift)
              ORDER BY x.minute DESC LIMIT 1);
    FOR c IN
        SELECT candle_of(x.minute, p_step, p_shift) AS n,
               (array_agg(x.open ORDER BY x.minute))[1] AS open, max(x.high) AS high,
               min(x.low) AS low, (array_agg(x.close ORDER BY x.minute DESC))[1] AS close,
               sum(x.lots) AS lots, sum(x.notional) AS notional, sum(x.n_trades)::bigint AS n_trades
        FROM minutes x
        WHERE x.instrument = p_instrument AND x.minute >= candle_begin(first, p_step, p_shift)
              AND x.minute < candle_begin(last + 1, p_step, p_shift)
        GROUP BY 1
        UNION ALL SELECT last + 1, 0, 0, 0, 0, 0, 0, 0 -- the end, up to which gaps are filled
        ORDER BY 1
    LOOP
        open := price;  high := price;  low := price;  close := price;
        lots := 0;  notional := 0;  n_trades := 0;
        WHILE next <= least(c.n, last) LOOP
            begins := candle_begin(next, p_step, p_shift);
            ends := candle_begin(next + 1, p_step, p_shift);
            IF next = c.n THEN
                open := c.open;  high := c.high;  low := c.low;  close := c.close;
                lots := c.lots;  notional := c.notional;  n_trades := c.n_trades;
            END IF;
            RETURN NEXT;
            next := next + 1;
        END LOOP;
        price := c.close;
    END LOOP;
END $$;
