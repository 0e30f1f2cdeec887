-- What may be read, here and by plugins that use this one.

CREATE VIEW assets AS SELECT * FROM asset;

CREATE VIEW instruments AS
SELECT i.*, b.code AS base_code, q.code AS quote_code, b.name AS base_name, b.scale AS base_scale,
       q.scale AS quote_scale, a.genre, a.ranking, a.expires_at,
       CASE WHEN a.expires_at <= clock_timestamp() THEN 'offline' ELSE i.status END AS effective_status
FROM instrument i JOIN asset b ON b.id = i.base JOIN asset q ON q.id = i.quote
     LEFT JOIN artist a ON a.asset = i.base;

CREATE VIEW markets AS SELECT i.symbol, m.* FROM market m JOIN instrument i ON i.id = m.instrument;

CREATE VIEW accounts AS SELECT * FROM account;

CREATE VIEW balances AS
SELECT b.account, a.code, a.scale, b.amount, b.hold, b.amount - b.hold AS free, b.asset
FROM balance b JOIN asset a ON a.id = b.asset;

CREATE VIEW orders AS SELECT o.*, i.symbol FROM stored_order o JOIN instrument i ON i.id = o.instrument;

CREATE VIEW trades AS SELECT t.*, i.symbol FROM trade t JOIN instrument i ON i.id = t.instrument;

-- Both sides of each trade.  (at, trade_id, order_id) puts those of an account in order.
CREATE VIEW fills AS
SELECT t.maker_account AS account, t.maker_order AS order_id, true AS is_maker, -t.taker_side AS side,
       t.maker_fee AS fee, t.instrument, i.symbol, t.trade_id, t.seq, t.at, t.price, t.lots, t.notional
FROM trade t JOIN instrument i ON i.id = t.instrument
UNION ALL
SELECT t.taker_account, t.taker_order, false, t.taker_side, t.taker_fee, t.instrument, i.symbol,
       t.trade_id, t.seq, t.at, t.price, t.lots, t.notional
FROM trade t JOIN instrument i ON i.id = t.instrument;

CREATE VIEW minutes AS SELECT c.*, i.symbol FROM minute c JOIN instrument i ON i.id = c.instrument;

CREATE VIEW events AS SELECT e.*, i.symbol FROM event e JOIN instrument i ON i.id = e.instrument;

-- Orders in the book, and its levels.  price > 0; the best comes first when ordered by side, key.
CREATE VIEW book_orders AS
SELECT i.symbol, b.instrument, b.side, b.key, abs(b.key) AS price, b.seq, b.order_id, b.account, b.lots
FROM book b JOIN instrument i ON i.id = b.instrument;

CREATE VIEW book_levels AS
SELECT i.symbol, b.instrument, b.side, b.key, abs(b.key) AS price, sum(b.lots)::bigint AS lots,
       count(*) AS n_orders
FROM book b JOIN instrument i ON i.id = b.instrument
GROUP BY i.symbol, b.instrument, b.side, b.key;

-- The last 24 hours, to the minute.
CREATE VIEW stats AS
SELECT i.symbol, i.id AS instrument, s.open, s.high, s.low, m.last_price AS last, m.last_lots,
       m.last_side, m.last_at, m.trade_id, m.seq, coalesce(s.lots, 0) AS lots,
       coalesce(s.notional, 0) AS notional, coalesce(s.n_trades, 0)::bigint AS n_trades,
       (SELECT abs(b.key) FROM book b WHERE b.instrument = i.id AND b.side = 1
        ORDER BY b.key LIMIT 1) AS bid,
       (SELECT b.key FROM book b WHERE b.instrument = i.id AND b.side = -1
        ORDER BY b.key LIMIT 1) AS ask
FROM instrument i JOIN market m ON m.instrument = i.id
     LEFT JOIN LATERAL (
         SELECT (array_agg(c.open ORDER BY c.minute))[1] AS open, max(c.high) AS high, min(c.low) AS low,
                sum(c.lots) AS lots, sum(c.notional) AS notional, sum(c.n_trades) AS n_trades
         FROM minute c
         WHERE c.instrument = i.id
               AND c.minute > floor(extract(epoch FROM clock_timestamp()) / 60)::bigint - 1440) s ON true;

-- Double entry: each booking has two sides that sum to zero.  The other side of a deposit is the
-- world's, whose account is 0; of a fee the instrument's, whose account is minus its number.  kind:
-- deposit, match, fee.  ref: of a deposit its id, else the id of the order.
CREATE VIEW ledger AS
SELECT d.account, d.asset, d.amount, 'deposit' AS kind, d.at, NULL::smallint AS instrument,
       NULL::bigint AS trade_id, d.id AS ref
FROM deposit d
UNION ALL
SELECT 0, d.asset, -d.amount, 'deposit', d.at, NULL, NULL, d.id FROM deposit d
UNION ALL
SELECT t.maker_account, i.quote, t.notional * t.taker_side, 'match', t.at, t.instrument, t.trade_id,
       t.maker_order
FROM trade t JOIN instrument i ON i.id = t.instrument
UNION ALL
SELECT t.maker_account, i.base, -t.lots * i.lot_atoms * t.taker_side, 'match', t.at, t.instrument,
       t.trade_id, t.maker_order
FROM trade t JOIN instrument i ON i.id = t.instrument
UNION ALL
SELECT t.maker_account, i.quote, -t.maker_fee, 'fee', t.at, t.instrument, t.trade_id, t.maker_order
FROM trade t JOIN instrument i ON i.id = t.instrument WHERE t.maker_fee <> 0
UNION ALL
SELECT t.taker_account, i.quote, -t.notional * t.taker_side, 'match', t.at, t.instrument, t.trade_id,
       t.taker_order
FROM trade t JOIN instrument i ON i.id = t.instrument
UNION ALL
SELECT t.taker_account, i.base, t.lots * i.lot_atoms * t.taker_side, 'match', t.at, t.instrument,
       t.trade_id, t.taker_order
FROM trade t JOIN instrument i ON i.id = t.instrument
UNION ALL
SELECT t.taker_account, i.quote, -t.taker_fee, 'fee', t.at, t.instrument, t.trade_id, t.taker_order
FROM trade t JOIN instrument i ON i.id = t.instrument WHERE t.taker_fee <> 0
UNION ALL
SELECT -t.instrument, i.quote, t.maker_fee, 'fee', t.at, t.instrument, t.trade_id, t.maker_order
FROM trade t JOIN instrument i ON i.id = t.instrument WHERE t.maker_fee <> 0
UNION ALL
SELECT -t.instrument, i.quote, t.taker_fee, 'fee', t.at, t.instrument, t.trade_id, t.taker_order
FROM trade t JOIN instrument i ON i.id = t.instrument WHERE t.taker_fee <> 0;

-- What must hold at any time.  Each row counts what breaks it: zeros, always.
CREATE VIEW violations AS
SELECT 'a balance is negative or holds more than it has' AS rule,
       (SELECT count(*) FROM balance WHERE hold < 0 OR amount < hold) AS n
UNION ALL
SELECT 'money of an asset is not conserved',
       (SELECT count(*) FROM asset a
        WHERE a.supply <> (SELECT coalesce(sum(d.amount), 0) FROM deposit d WHERE d.asset = a.id)
              OR a.supply <> (SELECT coalesce(sum(b.amount), 0) FROM balance b WHERE b.asset = a.id)
                             + (SELECT coalesce(sum(m.fees), 0) FROM market m
                                JOIN instrument i ON i.id = m.instrument WHERE i.quote = a.id))
UNION ALL
SELECT 'a balance is not the sum of its ledger',
       (SELECT count(*) FROM balance b
        LEFT JOIN (SELECT account, asset, sum(amount) AS amount FROM ledger GROUP BY account, asset) l
             USING (account, asset)
        WHERE b.amount <> coalesce(l.amount, 0))
UNION ALL
SELECT 'a hold is not the sum of the open orders'' holds',
       (SELECT count(*) FROM balance b
        LEFT JOIN (SELECT o.account, CASE o.side WHEN 1 THEN i.quote ELSE i.base END AS asset,
                          sum(o.hold) AS hold
                   FROM stored_order o JOIN instrument i ON i.id = o.instrument
                   WHERE o.done_seq IS NULL GROUP BY 1, 2) o USING (account, asset)
        WHERE b.hold <> coalesce(o.hold, 0))
UNION ALL
SELECT 'an open order does not hold what it needs',
       (SELECT count(*) FROM stored_order o JOIN instrument i ON i.id = o.instrument
        WHERE o.hold <> CASE WHEN o.done_seq IS NOT NULL THEN 0 WHEN o.side = 1
                  THEN need_of(o.lots - o.filled - o.reduced, o.price, i.ticklot_atoms, o.executed_maker,
                               o.executed_taker, o.maker_ppm, o.taker_ppm, o.fees)
                  ELSE (o.lots - o.filled - o.reduced) * i.lot_atoms END)
UNION ALL
SELECT 'a book is crossed',
       (SELECT count(*) FROM instrument i
        WHERE -(SELECT min(b.key) FROM book b WHERE b.instrument = i.id AND b.side = 1)
              >= (SELECT min(b.key) FROM book b WHERE b.instrument = i.id AND b.side = -1))
UNION ALL
SELECT 'the book is not the open orders',
       (SELECT count(*) FROM stored_order o FULL JOIN book b ON b.order_id = o.id
        WHERE (o.id IS NULL OR o.done_seq IS NULL)
              AND (b.lots IS NULL OR o.id IS NULL OR b.lots < 1 OR b.lots <> o.lots - o.filled - o.reduced
                   OR b.key <> -o.side * o.price OR b.seq <> o.seq OR b.account <> o.account
                   OR b.instrument <> o.instrument OR b.side <> o.side))
       + (SELECT count(*) FROM book b JOIN stored_order o ON o.id = b.order_id
          WHERE o.done_seq IS NOT NULL)
UNION ALL
SELECT 'an order is filled beyond its size or is not the sum of its trades',
       (SELECT count(*) FROM stored_order o
        LEFT JOIN (SELECT f.order_id, sum(f.lots) AS lots, sum(f.notional) AS notional, sum(f.fee) AS fee
                   FROM fills f GROUP BY f.order_id) f ON f.order_id = o.id
        WHERE o.filled + o.reduced > o.lots OR o.filled <> coalesce(f.lots, 0)
              OR o.executed_maker + o.executed_taker <> coalesce(f.notional, 0)
              OR o.fees <> coalesce(f.fee, 0)
              OR o.fees <> fee_of(o.executed_maker, o.executed_taker, o.maker_ppm, o.taker_ppm)
              OR o.executed_maker + o.executed_taker + CASE o.side WHEN 1 THEN o.fees ELSE 0 END > o.funds)
UNION ALL
SELECT 'an order is half done',
       (SELECT count(*) FROM stored_order o WHERE num_nulls(o.done_seq, o.done_reason, o.done_at) IN (1, 2))
UNION ALL
SELECT 'a client id is not unique in its account',
       (SELECT count(*) FROM (SELECT 1 FROM stored_order WHERE client_id IS NOT NULL
                              GROUP BY account, client_id HAVING count(*) > 1) x)
UNION ALL
SELECT 'a feed has a gap or is not as long as its market says',
       (SELECT count(*) FROM market m
        LEFT JOIN (SELECT instrument, count(*) AS n, min(seq) AS first, max(seq) AS last FROM event
                   GROUP BY instrument) e ON e.instrument = m.instrument
        WHERE coalesce(e.last, m.seq) <> m.seq OR e.last - e.first + 1 <> e.n)
UNION ALL
SELECT 'a market counts other trades than there are',
       (SELECT count(*) FROM market m
        WHERE m.trade_id <> (SELECT count(*) FROM trade t WHERE t.instrument = m.instrument)
              OR m.fees <> (SELECT coalesce(sum(t.maker_fee + t.taker_fee), 0) FROM trade t
                            WHERE t.instrument = m.instrument))
UNION ALL
SELECT 'candles are not the trades',
       (SELECT count(*) FROM (
            SELECT t.instrument, floor(extract(epoch FROM t.at) / 60)::bigint AS minute,
                   (array_agg(t.price ORDER BY t.trade_id))[1] AS open, max(t.price) AS high,
                   min(t.price) AS low, (array_agg(t.price ORDER BY t.trade_id DESC))[1] AS close,
                   sum(t.lots) AS lots, sum(t.notional) AS notional, count(*) AS n_trades
            FROM trade t GROUP BY 1, 2) x
        FULL JOIN minute c USING (instrument, minute)
        WHERE (x.open, x.high, x.low, x.close, x.lots, x.notional, x.n_trades)
              IS DISTINCT FROM (c.open, c.high, c.low, c.close, c.lots, c.notional, c.n_trades));
