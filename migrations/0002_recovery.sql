-- What happens when the database is set back (a restored backup, a failover that lost commits): push and
-- seal stop until a person has said from when on things may be lost, and everything was read again.

-- One row. `phase`: none | suspected | orders (streams of orders are read again) | rest (all others).
CREATE TABLE recovery (
  one bool PRIMARY KEY DEFAULT true CHECK (one),
  phase text NOT NULL DEFAULT 'none' CHECK (phase IN ('none', 'suspected', 'orders', 'rest')),
  -- Recoveries begun; the witness files of all hosts are compared with it.
  epoch int NOT NULL DEFAULT 0,
  suspected_at timestamptz,
  why text NOT NULL DEFAULT '',
  lost_since timestamptz,
  -- What happened at a far side later than this cannot have been acted upon in the lost window.
  lost_until timestamptz,
  begun_at timestamptz,
  actor text NOT NULL DEFAULT '',
  -- Planning has caught up when nothing is due from before.
  settle_at timestamptz,
  lifted_at timestamptz,
  -- Revenue up to this row may stand in a journal of the lost window; it waits until a person has looked.
  books_upto bigint,
  CHECK (phase NOT IN ('orders', 'rest') OR (lost_since IS NOT NULL AND lost_until IS NOT NULL AND begun_at IS NOT NULL))
);
INSERT INTO recovery DEFAULT VALUES;

CREATE FUNCTION hk_stopped() RETURNS bool STABLE LANGUAGE sql AS $$ SELECT phase <> 'none' FROM recovery $$;

-- What each account was asked about the lost window, and whether it can tell what it was sent.
CREATE TABLE recalls (
  account_id smallint NOT NULL REFERENCES accounts,
  op text NOT NULL,
  epoch int NOT NULL,
  can_tell bool NOT NULL,
  PRIMARY KEY (account_id, op)
);

-- Sent in the lost window and found at the far side: shipment references, and names of journals.
CREATE TABLE lost_sends (
  account_id smallint NOT NULL REFERENCES accounts,
  op text NOT NULL,
  reference text NOT NULL,
  -- The order's number, for instructions.
  number text,
  file text NOT NULL,
  epoch int NOT NULL,
  PRIMARY KEY (account_id, op, reference)
);
CREATE INDEX lost_sends_number ON lost_sends (number) WHERE number IS NOT NULL;

-- To be read again from before the lost window: wanted, running (the cursor is rewound), or not.
ALTER TABLE streams ADD COLUMN again text CHECK (again IN ('wanted', 'running'));
