-- A parcel's number is the same however it is written; a request to stop a shipment that was granted by telephone does
-- not say that the warehouse has it; and what is reserved is of the item that the line means.

-- What a number is found by: one width and case, without what is put between its digits. It may find more than is the
-- same number, and never less.
CREATE FUNCTION hk_number(written text) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
$$ SELECT regexp_replace(upper(normalize(written, NFKC) COLLATE "C"), '[^0-9A-Z]', '', 'g') $$;

CREATE INDEX facts_number ON facts (hk_number(coalesce(body ->> 'tracking', body ->> 'to'))) WHERE kind IN ('parcel', 'parcel_corrected');
DROP INDEX facts_tracking;

-- Somebody has told of a shipment that its warehouse has it: the warehouse itself, or an operator.
CREATE OR REPLACE FUNCTION hk_heard(subject bigint, shipment text) RETURNS bool STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN EXISTS (SELECT FROM facts f WHERE f.subject_id = subject
  AND shipment IN (f.body ->> 'reference', f.body #>> '{reply,reference}')
  AND (f.kind IN ('parcel', 'shipped', 'reply', 'cancel_reply')
    OR f.kind = 'cancel_answered' AND (f.body #>> '{reply,verdict}') IS DISTINCT FROM 'accepted')); END $$;

-- Lines whose code came to mean another item kept what was reserved of the one before.
WITH gone AS (DELETE FROM reservations r USING demands d WHERE r.demand_id = d.id AND r.item_id <> d.item_id
    RETURNING r.demand_id, r.location_id, r.item_id, d.item_id AS means),
  summed AS (UPDATE demands d SET reserved = coalesce((SELECT sum(r.qty) FROM reservations r
      WHERE r.demand_id = d.id AND NOT EXISTS (SELECT FROM gone g WHERE (g.demand_id, g.location_id) = (r.demand_id, r.location_id))), 0)
    WHERE d.id IN (SELECT demand_id FROM gone)),
  due AS (UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 0 WHERE id IN (SELECT d.subject_id FROM demands d WHERE d.id IN (SELECT demand_id FROM gone)))
INSERT INTO item_marks (item_id, demand_id) SELECT item_id, NULL FROM gone UNION SELECT means, demand_id FROM gone;
