-- Accounts and what is paid into them.

-- Pays in, or takes out what is free (a negative amount, in atoms).  Outcomes: ok, no_account,
-- no_asset, insufficient_funds, too_much.
CREATE FUNCTION deposit(p_account bigint, p_asset text, p_amount bigint) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = exchange, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    a asset%ROWTYPE;
    free bigint;
BEGIN
    PERFORM 1 FROM account x WHERE x.id = p_account;
    IF NOT FOUND THEN RETURN 'no_account'; END IF;
    SELECT * INTO a FROM asset x WHERE x.code = p_asset FOR NO KEY UPDATE;
    IF NOT FOUND THEN RETURN 'no_asset'; END IF;
    IF p_amount = 0 THEN RETURN 'ok'; END IF;
    IF p_amount > 9000000000000000000 - a.supply THEN RETURN 'too_much'; END IF;
    SELECT b.amount - b.hold INTO free FROM balance b
    WHERE b.account = p_account AND b.asset = a.id FOR UPDATE;
    IF free + p_amount < 0 THEN RETURN 'insufficient_funds'; END IF;
    UPDATE asset x SET supply = x.supply + p_amount WHERE x.id = a.id;
    UPDATE balance b SET amount = b.amount + p_amount WHERE b.account = p_account AND b.asset = a.id;
    INSERT INTO deposit (account, asset, amount) VALUES (p_account, a.id, p_amount);
    RETURN 'ok';
END $$;

-- Several deposits, all or none: an outcome that is not ok is an error SX400 with that word.  All assets
-- are locked before the first balance.
CREATE FUNCTION deposit_all(p_account bigint, p_codes text[], p_amounts bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    outcome text;
    d record;
BEGIN
    PERFORM 1 FROM asset a WHERE a.code = ANY (p_codes) ORDER BY a.id FOR NO KEY UPDATE;
    FOR d IN SELECT x.code, x.amount FROM unnest(p_codes, p_amounts) AS x (code, amount)
             LEFT JOIN asset a ON a.code = x.code ORDER BY a.id
    LOOP
        outcome := deposit(p_account, d.code, d.amount);
        IF outcome <> 'ok' THEN
            RAISE EXCEPTION '% %', outcome, d.code USING ERRCODE = 'SX400';
        END IF;
    END LOOP;
END $$;

-- Opens an account with deposits, whole or not at all; errors as of deposit_all.
CREATE FUNCTION create_account(p_name text, p_kind text, p_codes text[], p_amounts bigint[],
                               OUT id bigint, OUT generation int)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = exchange, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    LOOP -- 48 random bits, so that a key of another database's account opens nothing here
        id := ('x' || left(replace(gen_random_uuid()::text, '-', ''), 12))::bit(48)::bigint;
        INSERT INTO account (id, name, kind) VALUES (create_account.id, p_name, p_kind)
        ON CONFLICT DO NOTHING RETURNING account.generation INTO generation;
        EXIT WHEN FOUND;
    END LOOP;
    INSERT INTO balance (account, asset) SELECT create_account.id, a.id FROM asset a;
    PERFORM deposit_all(create_account.id, p_codes, p_amounts);
END $$;

-- Cancels all orders of an account and makes its balances what is given (others 0).  Nobody trades and
-- nobody pays meanwhile, so that they are that.
CREATE FUNCTION reset_account(p_account bigint, p_codes text[], p_amounts bigint[]) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = exchange, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    v_generation int;
    x smallint;
BEGIN
    SELECT a.generation INTO v_generation FROM account a WHERE a.id = p_account;
    IF NOT FOUND THEN RETURN 'no_account'; END IF;
    PERFORM 1 FROM unnest(p_codes) AS y (code)
    WHERE NOT EXISTS (SELECT 1 FROM asset a WHERE a.code = y.code);
    IF FOUND THEN RETURN 'no_asset'; END IF;
    PERFORM 1 FROM asset a ORDER BY a.id FOR NO KEY UPDATE;
    FOR x IN SELECT i.id FROM instrument i ORDER BY i.id LOOP
        PERFORM lock_instrument(x);
    END LOOP;
    PERFORM cancel_all(p_account, v_generation, NULL);
    PERFORM deposit_all(p_account, array_agg(b.code), array_agg(coalesce(y.amount, 0) - b.amount))
    FROM balances b LEFT JOIN unnest(p_codes, p_amounts) AS y (code, amount) ON y.code = b.code
    WHERE b.account = p_account;
    RETURN 'ok';
END $$;

-- Makes all keys of an account void; the generation of the next ones.
CREATE FUNCTION renew_key(p_account bigint) RETURNS int
LANGUAGE sql SECURITY DEFINER SET search_path = exchange, pg_temp AS $$
    UPDATE account SET generation = generation + 1 WHERE id = p_account RETURNING generation
$$;

-- Several deposits, all or none; errors as of deposit_all.  Outcomes: ok, no_account.
CREATE FUNCTION pay_in(p_account bigint, p_codes text[], p_amounts bigint[]) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = exchange, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    PERFORM 1 FROM account a WHERE a.id = p_account;
    IF NOT FOUND THEN RETURN 'no_account'; END IF;
    PERFORM deposit_all(p_account, p_codes, p_amounts);
    RETURN 'ok';
END $$;
