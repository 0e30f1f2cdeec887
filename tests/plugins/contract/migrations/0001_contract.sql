CREATE TABLE item (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CONSTRAINT item_name_is_unique UNIQUE,
    CONSTRAINT item_name_is_short CHECK (length(name) < 20)
);
