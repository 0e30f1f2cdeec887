-- What is traded: two neutral pairs, and artists.

CREATE FUNCTION list_instrument(p_id int, p_base text, p_tick_scale int, p_lot_scale int,
                                p_max_ticks bigint, p_max_lots bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = exchange, pg_temp AS $$
DECLARE
    b asset%ROWTYPE;
    q asset%ROWTYPE;
BEGIN
    SELECT * INTO STRICT b FROM asset WHERE code = p_base;
    SELECT * INTO STRICT q FROM asset WHERE code = 'USD';
    INSERT INTO instrument (id, symbol, base, quote, tick_scale, lot_scale, lot_atoms, ticklot_atoms,
                            max_ticks, max_lots, min_funds)
    VALUES (p_id, p_base || '-USD', b.id, q.id, p_tick_scale, p_lot_scale,
            (10::numeric ^ (b.scale - p_lot_scale))::bigint,
            (10::numeric ^ (q.scale - p_tick_scale - p_lot_scale))::bigint, p_max_ticks, p_max_lots,
            (10::numeric ^ q.scale)::bigint);
    INSERT INTO market (instrument) VALUES (p_id);
    INSERT INTO balance (account, asset) SELECT a.id, b.id FROM account a ON CONFLICT DO NOTHING;
END $$;

INSERT INTO asset (id, code, name, kind, scale) VALUES
    (1, 'USD', 'US Dollar', 'fiat', 8),
    (2, 'BTC', 'Bitcoin', 'crypto', 8),
    (3, 'ETH', 'Ether', 'crypto', 8),
    (11, 'AURORA', 'Aurora Vale', 'artist', 3),
    (12, 'BRASS', 'Brass Meridian', 'artist', 3),
    (13, 'CINDER', 'Cinder & Oak', 'artist', 3),
    (14, 'DELTA', 'Delta Choir', 'artist', 3),
    (15, 'ECHO', 'Echo Harbour', 'artist', 3),
    (16, 'FABLE', 'Fable Street', 'artist', 3);

INSERT INTO artist (asset, genre, ranking, expires_at) VALUES
    (11, 'Dream pop', 1, date_trunc('day', now()) + interval '5 years'),
    (12, 'Jazz', 2, date_trunc('day', now()) + interval '5 years'),
    (13, 'Folk', 3, date_trunc('day', now()) + interval '4 years'),
    (14, 'Gospel', 4, date_trunc('day', now()) + interval '4 years'),
    (15, 'Electronic', 5, date_trunc('day', now()) + interval '3 years'),
    (16, 'Hip hop', 6, date_trunc('day', now()) + interval '3 years');

SELECT list_instrument(1, 'BTC', 2, 6, 1000000000, 9000000000);
SELECT list_instrument(2, 'ETH', 2, 6, 1000000000, 9000000000);
SELECT list_instrument(x.id, a.code, 2, 3, 100000000, 10000000)
FROM (VALUES (11), (12), (13), (14), (15), (16)) x (id) JOIN asset a ON a.id = x.id;
