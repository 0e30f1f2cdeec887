-- What the exchange knows.  Amounts are int64 atoms of an asset, prices ticks, sizes lots, sides 1 (buy)
-- and -1 (sell).  Writers are the functions of the next step, and nobody else.

CREATE TABLE asset (
    id smallint PRIMARY KEY,
    code text NOT NULL UNIQUE CHECK (code ~ '^[A-Z0-9]{2,10}$'),
    name text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('fiat', 'crypto', 'artist')),
    scale smallint NOT NULL CHECK (scale BETWEEN 0 AND 12), -- an atom is 10^-scale
    -- All that was ever paid in.  Money is conserved, so no balance can overflow while this does not.
    supply bigint NOT NULL DEFAULT 0 CHECK (supply BETWEEN 0 AND 9000000000000000000)
);

CREATE TABLE artist (
    asset smallint PRIMARY KEY REFERENCES asset,
    genre text NOT NULL,
    ranking int NOT NULL CHECK (ranking > 0),
    expires_at timestamptz NOT NULL -- from then on nothing is traded
);

CREATE TABLE instrument (
    id smallint PRIMARY KEY,
    symbol text NOT NULL UNIQUE CHECK (symbol ~ '^[A-Z0-9]+-[A-Z0-9]+$'),
    base smallint NOT NULL REFERENCES asset,
    quote smallint NOT NULL REFERENCES asset,
    tick_scale smallint NOT NULL,      -- a tick is 10^-tick_scale of the quote
    lot_scale smallint NOT NULL,       -- a lot is 10^-lot_scale of the base
    lot_atoms bigint NOT NULL,         -- of the base
    ticklot_atoms bigint NOT NULL,     -- of the quote: one lot at a price of one tick
    max_ticks bigint NOT NULL CHECK (max_ticks > 0),
    max_lots bigint NOT NULL CHECK (max_lots > 0),
    min_funds bigint NOT NULL DEFAULT 1 CHECK (min_funds > 0), -- of a market order, in atoms
    maker_ppm int NOT NULL DEFAULT 4000 CHECK (maker_ppm >= 0),
    taker_ppm int NOT NULL DEFAULT 6000 CHECK (taker_ppm BETWEEN maker_ppm AND 100000),
    status text NOT NULL DEFAULT 'online' CHECK (status IN ('online', 'post_only', 'cancel_only', 'offline')),
    -- The largest order and its fee fit into int64.
    CHECK (max_ticks::numeric * max_lots * ticklot_atoms * (1000000 + taker_ppm) / 1000000 < 9200000000000000000),
    CHECK (max_lots::numeric * lot_atoms < 9200000000000000000)
);

-- What every command on an instrument changes.
CREATE TABLE market (
    instrument smallint PRIMARY KEY REFERENCES instrument,
    seq bigint NOT NULL DEFAULT 0,      -- of the last event
    trade_id bigint NOT NULL DEFAULT 0, -- of the last trade
    fees bigint NOT NULL DEFAULT 0,     -- taken here so far, in atoms of the quote
    at timestamptz NOT NULL DEFAULT clock_timestamp(), -- of the last event
    last_price bigint,
    last_lots bigint,
    last_side smallint,                 -- the taker's
    last_at timestamptz
) WITH (fillfactor = 10);

CREATE TABLE account (
    id bigint PRIMARY KEY,
    generation int NOT NULL DEFAULT 1, -- of its key; a new one makes the old keys void
    name text NOT NULL DEFAULT '',
    kind text NOT NULL DEFAULT 'practice' CHECK (kind IN ('practice', 'bot')),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Every account has a row for every asset.
CREATE TABLE balance (
    account bigint NOT NULL REFERENCES account,
    asset smallint NOT NULL REFERENCES asset,
    amount bigint NOT NULL DEFAULT 0,
    hold bigint NOT NULL DEFAULT 0, -- of amount, for open orders
    PRIMARY KEY (account, asset),
    CHECK (hold >= 0 AND amount >= hold)
) WITH (fillfactor = 50);

CREATE TABLE deposit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL REFERENCES account,
    asset smallint NOT NULL REFERENCES asset,
    amount bigint NOT NULL CHECK (amount <> 0), -- negative: taken out
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON deposit (account);

-- No CHECKs here and below: they are parsed and planned again by every statement that writes a row, a
-- fifth of the time of an order.  place looks at what it is given, once; the view violations counts
-- the rest.
CREATE TABLE stored_order (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account bigint NOT NULL,      -- no foreign keys here: nothing is ever deleted, and a check for
    instrument smallint NOT NULL, -- each order would lock the row that all orders share
    side smallint NOT NULL,       -- 1, -1
    type text NOT NULL,           -- limit, market
    price bigint,                 -- of a limit order
    lots bigint,
    funds bigint,                 -- or, of a market order: in atoms of the quote, fees included
    tif text NOT NULL,            -- GTC, IOC, FOK
    post_only boolean NOT NULL,
    stp text NOT NULL,            -- dc, co, cn, cb
    client_id text,
    maker_ppm int NOT NULL,
    taker_ppm int NOT NULL,
    seq bigint NOT NULL,
    created_at timestamptz NOT NULL,
    filled bigint NOT NULL DEFAULT 0,         -- lots
    reduced bigint NOT NULL DEFAULT 0,        -- lots taken away by self-trade prevention "dc"
    executed_maker bigint NOT NULL DEFAULT 0, -- notional of its trades as maker
    executed_taker bigint NOT NULL DEFAULT 0,
    fees bigint NOT NULL DEFAULT 0,
    hold bigint NOT NULL DEFAULT 0,
    done_seq bigint,
    done_reason text, -- filled, canceled, expired
    done_at timestamptz
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX stored_order_client ON stored_order (account, client_id) WHERE client_id IS NOT NULL;
CREATE INDEX stored_order_account ON stored_order (account, id);
CREATE INDEX stored_order_open ON stored_order (account, id) WHERE done_seq IS NULL;

-- The live book: the primary key is price-time priority.
CREATE TABLE book (
    instrument smallint NOT NULL,
    side smallint NOT NULL,
    key bigint NOT NULL, -- the price of an ask, minus the price of a bid
    seq bigint NOT NULL,
    order_id bigint NOT NULL,
    account bigint NOT NULL,
    lots bigint NOT NULL,
    PRIMARY KEY (instrument, side, key, seq)
) WITH (fillfactor = 50);

CREATE TABLE trade (
    instrument smallint NOT NULL,
    trade_id bigint NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    price bigint NOT NULL,
    lots bigint NOT NULL,
    notional bigint NOT NULL,
    taker_side smallint NOT NULL,
    maker_order bigint NOT NULL,
    taker_order bigint NOT NULL,
    maker_account bigint NOT NULL,
    taker_account bigint NOT NULL,
    maker_fee bigint NOT NULL,
    taker_fee bigint NOT NULL,
    PRIMARY KEY (instrument, trade_id)
);
CREATE INDEX trade_maker ON trade (maker_account, at);
CREATE INDEX trade_taker ON trade (taker_account, at);
CREATE INDEX trade_maker_order ON trade (maker_order);
CREATE INDEX trade_taker_order ON trade (taker_order);

-- One row a minute in which something was traded.
CREATE TABLE minute (
    instrument smallint NOT NULL,
    minute bigint NOT NULL, -- since 1970
    open bigint NOT NULL,
    high bigint NOT NULL,
    low bigint NOT NULL,
    close bigint NOT NULL,
    lots numeric NOT NULL,
    notional numeric NOT NULL,
    n_trades bigint NOT NULL,
    PRIMARY KEY (instrument, minute)
) WITH (fillfactor = 50);

-- The feed.  seq has no gap.  A level of the book is the sum of all delta and rest at its price.
CREATE TABLE event (
    instrument smallint NOT NULL,
    seq bigint NOT NULL,
    kind text NOT NULL, -- received, match, done, change
    at timestamptz NOT NULL,
    order_id bigint NOT NULL,   -- of a match: the taker
    account bigint NOT NULL,
    side smallint NOT NULL,     -- of that order
    price bigint,               -- the order's, of a match its own; NULL: a market order
    lots bigint,                -- received: the size, match: traded, done: what was left, change: what is left
    funds bigint,               -- received: of a market order by funds
    delta bigint NOT NULL DEFAULT 0, -- lots that come to (or leave) the level at price, on book_side
    book_side smallint,
    -- The order whose command this was, when it lies in the book from this event on.
    rest bigint NOT NULL DEFAULT 0,  -- lots
    rest_order bigint,
    rest_side smallint,
    rest_price bigint,
    trade_id bigint,
    maker_order bigint,
    maker_account bigint,
    maker_left bigint,          -- match: 0 means that the maker is filled by it
    taker_left bigint,          -- match: 0 means that the taker is filled by it; NULL: an order by funds
    reason text,                -- done: canceled, expired
    PRIMARY KEY (instrument, seq)
);
