-- Batches that people can see, time and give up.

-- `missed`: its cut-off passed while nothing was sealed; it moves nothing, and the next batch of its warehouse ends it.
-- `abandoned`: given up by an operator after it was sealed; it is never sent again.
ALTER TABLE batches
  DROP CONSTRAINT batches_state_check,
  ADD CONSTRAINT batches_state_check CHECK (state IN ('open', 'missed', 'sealed', 'done', 'empty', 'abandoned')),
  DROP CONSTRAINT batches_check1,
  ADD CONSTRAINT batches_body_check CHECK ((state IN ('open', 'missed', 'empty')) = (body IS NULL)),
  -- More made its cut-off than it took: the next batch is of the same cut-off.
  ADD COLUMN more bool NOT NULL DEFAULT false,
  ADD COLUMN seal_fails smallint NOT NULL DEFAULT 0,
  ADD COLUMN seal_error text,
  -- Sealing failed: not before this time again.
  ADD COLUMN retry_at timestamptz;
CREATE INDEX batches_location ON batches (location_id, subject_id) WHERE kind = 'instruct';

-- The times that batches of a place were opened by; when they change, its open batch is re-timed.
CREATE TABLE schedules (
  account_id smallint NOT NULL REFERENCES accounts,
  kind text NOT NULL CHECK (kind IN ('instruct', 'journal')),
  location_id smallint REFERENCES locations,
  terms text NOT NULL,
  since timestamptz NOT NULL
);
CREATE UNIQUE INDEX schedules_one ON schedules (account_id, kind, coalesce(location_id, 0));

-- An entry that the books' layout forbids is set aside until then, so that the others are booked.
ALTER TABLE revenue_events ADD COLUMN retry_at timestamptz;

-- Members of a batch that was refused before this version were never told.
UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 0
WHERE kind = 'batch' AND id IN (SELECT subject_id FROM batches WHERE state = 'sealed');

-- A waiting shipment that sealing would take: its channel has begun, and no stop keeps it.
CREATE FUNCTION hk_may_go(shipment bigint, subject bigint) RETURNS bool STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN NOT hk_waits(subject) AND NOT EXISTS (SELECT FROM stopped_shipments x WHERE x.shipment_id = shipment); END $$;
