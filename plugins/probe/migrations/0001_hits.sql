-- Without a unique constraint: a write that was sent twice must show.
CREATE TABLE hits (
    tok text NOT NULL
);
