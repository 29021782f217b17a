-- Webhooks that were taken and are not worked yet. They carry no facts: they make something due to be read. Stored before
-- the reply; the body, which may hold personal data, is there only until the row is worked.
CREATE TABLE hook_inbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id smallint NOT NULL REFERENCES accounts,
  hook text NOT NULL,
  -- The sender's id of the delivery (named), or the hash of headers and body.
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
  -- A row that is named stays for a while after it was worked, so that the delivery is known when it comes again.
  named bool NOT NULL,
  arrived_at timestamptz NOT NULL,
  headers jsonb,
  body bytea,
  done_at timestamptz,
  UNIQUE (account_id, hook, key),
  CHECK ((done_at IS NULL) = (body IS NOT NULL) AND (body IS NULL) = (headers IS NULL))
);
CREATE INDEX hook_inbox_waiting ON hook_inbox (account_id, id) WHERE done_at IS NULL;
CREATE INDEX hook_inbox_arrived ON hook_inbox (arrived_at);
ALTER TABLE hook_inbox SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, fillfactor = 80);
