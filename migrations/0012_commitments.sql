-- The key of the hashes that instructions are compared by; a new row is a new key, the newest is used.
CREATE TABLE field_keys (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key bytea NOT NULL
);
INSERT INTO field_keys (key)
VALUES (decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- Shipments that changed after they were sealed: many of one warehouse at once are not recalled.
CREATE INDEX facts_change_seen ON facts ((body ->> 'account'), recorded_at) WHERE kind = 'change_seen';
