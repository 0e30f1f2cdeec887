-- How far the simulated traders of an instrument are.  Whoever takes a step counts it first, so no step is
-- taken twice, by whichever instance.
CREATE TABLE progress (
    symbol text PRIMARY KEY,
    step bigint NOT NULL DEFAULT 0, -- of the next arrival
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    acted_at timestamptz,
    placed bigint NOT NULL DEFAULT 0,    -- orders of arrivals and of the dealer
    traded bigint NOT NULL DEFAULT 0,    -- of these: filled at once, wholly or in part
    canceled bigint NOT NULL DEFAULT 0,
    refused bigint NOT NULL DEFAULT 0,   -- orders that the exchange did not take
    passed bigint NOT NULL DEFAULT 0,    -- arrivals that went away without an order
    deposits bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
