-- What is due to be read by its id, of every kind, in one narrow table: an order's row there comes and goes without touching
-- the order's own.

CREATE TABLE reads (
  account_id smallint NOT NULL REFERENCES accounts,
  kind text NOT NULL CHECK (kind IN ('order', 'shipment', 'stock', 'payment', 'payout', 'return', 'track', 'deposit', 'listing')),
  external_id text NOT NULL,
  due_at timestamptz NOT NULL,
  -- Who wanted it last: 'refresh' (open orders are read again), 'hook', 'seal', 'overlap', 'lagging', 'quarantine', 'first'.
  why text NOT NULL,
  -- When that was: an answer that was asked for before it does not settle the row.
  noted_at timestamptz NOT NULL,
  -- An open order is read again after `again`, which doubles up to `most` with each reading that brings nothing new. Without
  -- them the row goes with its answer.
  again interval,
  most interval,
  -- Answers in a row that were refused or could not be understood for this id alone.
  tries smallint NOT NULL DEFAULT 0,
  PRIMARY KEY (account_id, kind, external_id),
  CHECK ((again IS NULL) = (most IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX reads_due ON reads (account_id, kind, due_at, external_id);
CREATE INDEX reads_refused ON reads (account_id) WHERE tries >= 5;

-- Orders that are due to be read move there; an older program would not find them.
UPDATE gate SET min_code = 4;
INSERT INTO reads (account_id, kind, external_id, due_at, why, noted_at)
  SELECT account_id, 'order', external_id, read_at, 'refresh', (SELECT hk_now()) FROM subjects WHERE kind = 'order' AND read_at IS NOT NULL ORDER BY account_id, external_id;
ALTER TABLE subjects DROP COLUMN read_at;

-- Each kind that cannot be read by id backs off for itself.
ALTER TABLE read_failures ADD COLUMN kind text NOT NULL DEFAULT 'order', DROP CONSTRAINT read_failures_pkey, ADD PRIMARY KEY (account_id, kind);
ALTER TABLE read_failures ALTER COLUMN kind DROP DEFAULT;

-- Of the bytes of the last reading, and of the lease under which they were read: the same bytes are not taken apart again by
-- the same program with the same configuration. Without it the readings are compared by what they say.
ALTER TABLE heads ADD COLUMN raw_hash bytea;
