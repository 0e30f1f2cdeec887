-- How many practice accounts were opened in the minutes that still count, and from where.
CREATE TABLE opened (
    minute bigint NOT NULL, -- since 1970
    client text NOT NULL,
    n int NOT NULL,
    PRIMARY KEY (minute, client)
);

-- Opens a practice account unless the client has opened p_each, or all have opened p_all, within this
-- minute: then the row is NULL.
CREATE FUNCTION open_practice(p_client text, p_each int, p_all int, p_codes text[], p_amounts bigint[],
                              OUT id bigint, OUT generation int)
LANGUAGE plpgsql AS $$
DECLARE
    this_minute bigint := floor(extract(epoch FROM clock_timestamp()) / 60);
BEGIN
    -- One at a time, so that the counts are true.
    PERFORM pg_advisory_xact_lock(hashtext('market.open_practice'));
    DELETE FROM opened o WHERE o.minute < this_minute;
    IF coalesce((SELECT o.n FROM opened o WHERE o.minute = this_minute AND o.client = p_client), 0) >= p_each
       OR (SELECT coalesce(sum(o.n), 0) FROM opened o WHERE o.minute = this_minute) >= p_all THEN
        RETURN;
    END IF;
    INSERT INTO opened AS o VALUES (this_minute, p_client, 1)
    ON CONFLICT (minute, client) DO UPDATE SET n = o.n + 1;
    SELECT a.id, a.generation INTO open_practice.id, open_practice.generation
    FROM create_account('', 'practice', p_codes, p_amounts) a;
END $$;
