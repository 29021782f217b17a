-- What sealing has to know of orders that could not be planned, of waves that were missed, and of what was heard of a
-- shipment.

CREATE INDEX subjects_failing ON subjects (id) WHERE plan_fails > 0 AND kind = 'order';

-- Orders with news that could not be planned: nothing of them is sealed before they are.
CREATE VIEW unplanned_news AS
  SELECT s.id AS subject_id FROM subjects s WHERE s.plan_fails > 0 AND s.kind = 'order' AND EXISTS (
    SELECT FROM facts f WHERE f.subject_id = s.id AND f.id > s.planned_fact AND (f.class IN ('event', 'observation')
      OR f.class = 'decision' AND f.actor <> 'plan' OR f.class = 'outcome' AND (f.body ->> 'verdict') IS DISTINCT FROM 'withdrawn'));

-- A waiting shipment that sealing would take: its channel has begun, no stop keeps it, and no news of its order waits for a
-- plan that fails.
CREATE OR REPLACE FUNCTION hk_may_go(shipment bigint, subject bigint) RETURNS bool STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN NOT hk_waits(subject) AND NOT EXISTS (SELECT FROM stopped_shipments x WHERE x.shipment_id = shipment)
  AND NOT EXISTS (SELECT FROM unplanned_news u WHERE u.subject_id = subject); END $$;

CREATE INDEX batches_missed ON batches (location_id) WHERE state = 'missed';

-- Somebody has told of a shipment that its warehouse has it: the warehouse itself, or an operator.
CREATE FUNCTION hk_heard(subject bigint, shipment text) RETURNS bool STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN EXISTS (SELECT FROM facts f WHERE f.subject_id = subject
  AND shipment IN (f.body ->> 'reference', f.body #>> '{reply,reference}')
  AND f.kind IN ('parcel', 'shipped', 'reply', 'cancel_reply', 'cancel_answered')); END $$;

-- The orders that were believed before the alarm are being planned again.
ALTER TABLE channel_alarms ADD COLUMN woken bool NOT NULL DEFAULT true;
ALTER TABLE channel_alarms ALTER COLUMN woken SET DEFAULT false;

-- When a channel's first order came.
CREATE INDEX subjects_first ON subjects (account_id, created_at) WHERE kind = 'order';

-- More than ten shipments of a warehouse's account differ from their orders since about that time.
CREATE FUNCTION hk_many_changes(account text, at timestamptz) RETURNS bool STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN (SELECT count(DISTINCT f.body ->> 'reference') > 10 FROM facts f WHERE f.kind = 'change_seen' AND f.body ->> 'account' = $1
  AND (f.body -> 'recall')::boolean AND f.recorded_at BETWEEN $2 - interval '5 minutes' AND $2 + interval '5 minutes'); END $$;
