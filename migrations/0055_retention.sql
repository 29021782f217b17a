-- What names somebody is deleted some time after it has served (ADR 21).

-- Set with the deletion of what the order had of it; from then on nothing of it is stored any more.
ALTER TABLE subjects ADD COLUMN purged_at timestamptz;
CREATE INDEX subjects_ended ON subjects (closed_at, id) WHERE kind = 'order' AND closed_at IS NOT NULL AND purged_at IS NULL;
CREATE INDEX raw_payloads_stored ON raw_payloads (stored_at);
CREATE INDEX quarantine_settled ON quarantine (resolved_at) WHERE resolved_at IS NOT NULL;

-- A wave keeps the hash of its bytes. Journals are books: they keep their bytes.
ALTER TABLE batches ADD COLUMN purged_at timestamptz CHECK (purged_at IS NULL OR kind = 'instruct'),
  DROP CONSTRAINT batches_check,
  ADD CONSTRAINT batches_hash_check CHECK ((state IN ('open', 'missed', 'empty')) = (hash IS NULL)),
  DROP CONSTRAINT batches_body_check,
  ADD CONSTRAINT batches_body_check CHECK ((state IN ('open', 'missed', 'empty') OR purged_at IS NOT NULL) = (body IS NULL));
CREATE INDEX batches_bodies ON batches (sealed_at, subject_id) WHERE kind = 'instruct' AND body IS NOT NULL;

-- The order that a name belongs to, an order's own, a shipment's or a payment's, is purged.
CREATE FUNCTION hk_purged(account smallint, name text) RETURNS bool STABLE LANGUAGE sql AS $$
  SELECT EXISTS (SELECT FROM subjects s WHERE s.account_id = account AND s.kind = 'order' AND s.external_id = name AND s.purged_at IS NOT NULL)
    OR EXISTS (SELECT FROM aliases a JOIN subjects s ON s.id = a.subject_id
      WHERE a.account_id = account AND a.kind = 'shipment' AND a.external_id = name AND s.purged_at IS NOT NULL)
    OR EXISTS (SELECT FROM payment_names n JOIN subjects s ON s.id = n.subject_id
      WHERE n.account_id = account AND n.kind = 'key' AND n.name = hk_purged.name AND s.purged_at IS NOT NULL) $$;

-- Rows are deleted from these all the time now.
ALTER TABLE raw_payloads_rest SET (autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE personal SET (autovacuum_vacuum_scale_factor = 0.05);
