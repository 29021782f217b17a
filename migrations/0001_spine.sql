-- The spine: facts, effects, streams, stock, shipments, money. Lock order everywhere:
-- account -> stock -> subjects (by id) -> effects. Planning never locks stock; it appends to item_marks.

-- One clock for every process: due times and leases use hk_now(); tests and the demo may set or shift it.
CREATE TABLE clock (
  one bool PRIMARY KEY DEFAULT true CHECK (one),
  fixed_at timestamptz,
  shift interval NOT NULL DEFAULT '0'
);
INSERT INTO clock DEFAULT VALUES;
CREATE FUNCTION hk_now() RETURNS timestamptz STABLE LANGUAGE sql AS
$$ SELECT coalesce((SELECT coalesce(fixed_at, clock_timestamp()) + shift FROM clock), clock_timestamp()) $$;

CREATE TABLE policies (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  hash bytea NOT NULL UNIQUE,
  document jsonb NOT NULL,
  loaded_at timestamptz NOT NULL
);

-- An older binary stops claiming when min_code passes its own; policy_id is the one in force.
CREATE TABLE gate (
  one bool PRIMARY KEY DEFAULT true CHECK (one),
  min_code int NOT NULL,
  policy_id int REFERENCES policies
);
INSERT INTO gate (min_code) VALUES (1);

CREATE TABLE accounts (
  id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  slug text NOT NULL UNIQUE,
  connector text NOT NULL,
  owner text,
  lease_until timestamptz,
  lease_token bigint NOT NULL DEFAULT 0,
  send_seq bigint NOT NULL DEFAULT 0,
  epoch int NOT NULL DEFAULT 0,
  paused text,
  resume_at timestamptz
);

-- A rule or route acts only on causes stored since it was first activated.
CREATE TABLE rule_epochs (
  rule text NOT NULL,
  account_id smallint NOT NULL REFERENCES accounts,
  active_from timestamptz NOT NULL,
  PRIMARY KEY (rule, account_id)
);

CREATE TABLE streams (
  account_id smallint NOT NULL REFERENCES accounts,
  name text NOT NULL,
  cursor jsonb,
  seq bigint NOT NULL DEFAULT 0,
  due_at timestamptz NOT NULL,
  ack jsonb,
  fails smallint NOT NULL DEFAULT 0,
  error text,
  page_at timestamptz,
  PRIMARY KEY (account_id, name)
);

-- The unit that is locked, folded and planned. Narrow, because every plan rewrites it.
CREATE TABLE subjects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('order', 'batch', 'deposit')),
  account_id smallint NOT NULL REFERENCES accounts,
  external_id text NOT NULL,
  number text NOT NULL UNIQUE CHECK (number ~ '^[0-9A-Z]{1,16}$'),
  origin text NOT NULL DEFAULT 'stub' CHECK (origin IN ('stub', 'live', 'history')),
  status text NOT NULL DEFAULT 'received',
  blocked_by text,
  plan_at timestamptz,
  plan_class smallint NOT NULL DEFAULT 0 CHECK (plan_class IN (0, 1, 2)),
  plan_fails smallint NOT NULL DEFAULT 0,
  read_at timestamptz,
  created_at timestamptz NOT NULL,
  closed_at timestamptz,
  UNIQUE (account_id, kind, external_id)
);
-- Orders and batches are planned by different steps: neither may wait behind the other.
CREATE INDEX subjects_due ON subjects (plan_class, plan_at, id) WHERE kind = 'order' AND plan_at IS NOT NULL;
CREATE INDEX subjects_batches_due ON subjects (plan_at, id) WHERE kind = 'batch' AND plan_at IS NOT NULL;
CREATE INDEX subjects_read ON subjects (account_id, read_at, id) WHERE read_at IS NOT NULL;
CREATE INDEX subjects_open ON subjects (kind, status, id) WHERE closed_at IS NULL;

-- Other names a far side has for a subject: shipment references.
CREATE TABLE aliases (
  account_id smallint NOT NULL REFERENCES accounts,
  kind text NOT NULL,
  external_id text NOT NULL,
  subject_id bigint NOT NULL REFERENCES subjects,
  PRIMARY KEY (account_id, kind, external_id)
);

-- Append-only, no personal data. UNIQUE (subject_id, key) refuses a second intent for ever.
CREATE TABLE facts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject_id bigint NOT NULL REFERENCES subjects,
  key text NOT NULL CHECK (octet_length(key) <= 300),
  class text NOT NULL CHECK (class IN ('event', 'observation', 'decision', 'intent', 'outcome')),
  kind text NOT NULL,
  version smallint NOT NULL,
  body jsonb NOT NULL,
  happened_at timestamptz NOT NULL,
  told_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  business_date date NOT NULL,
  policy_id int REFERENCES policies,
  actor text NOT NULL,
  UNIQUE (subject_id, key),
  CHECK (class <> 'decision' OR actor <> 'plan' OR policy_id IS NOT NULL)
);

-- The last reading of each series; a new reading is a fact only when it differs from this.
CREATE TABLE heads (
  subject_id bigint NOT NULL REFERENCES subjects,
  kind text NOT NULL,
  series text NOT NULL,
  hash bytea NOT NULL,
  version bigint,
  n int NOT NULL,
  asked_at timestamptz NOT NULL,
  answered_at timestamptz NOT NULL,
  PRIMARY KEY (subject_id, kind, series)
);

CREATE TABLE raw_payloads (
  subject_id bigint NOT NULL,
  key text NOT NULL,
  stored_at timestamptz NOT NULL,
  body bytea NOT NULL
) PARTITION BY RANGE (stored_at);
CREATE TABLE raw_payloads_rest PARTITION OF raw_payloads DEFAULT;
CREATE INDEX raw_payloads_subject ON raw_payloads (subject_id, key);

CREATE TABLE personal (
  subject_id bigint NOT NULL REFERENCES subjects,
  version int NOT NULL,
  body jsonb NOT NULL,
  stored_at timestamptz NOT NULL,
  PRIMARY KEY (subject_id, version)
);

CREATE TABLE quarantine (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id smallint NOT NULL REFERENCES accounts,
  stream text NOT NULL,
  external_id text,
  hash bytea NOT NULL,
  raw bytea NOT NULL,
  reason text NOT NULL,
  first_at timestamptz NOT NULL,
  last_at timestamptz NOT NULL,
  seen int NOT NULL DEFAULT 1,
  resolved_at timestamptz,
  UNIQUE (account_id, stream, hash)
);
CREATE INDEX quarantine_open ON quarantine (account_id, external_id) WHERE resolved_at IS NULL;

CREATE TABLE locations (
  id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  slug text NOT NULL UNIQUE,
  account_id smallint NOT NULL REFERENCES accounts,
  code text
);
CREATE UNIQUE INDEX locations_code ON locations (account_id, coalesce(code, ''));

-- What is sent together. Sealed once; its bytes never change.
CREATE TABLE batches (
  subject_id bigint PRIMARY KEY REFERENCES subjects,
  account_id smallint NOT NULL REFERENCES accounts,
  location_id smallint REFERENCES locations,
  kind text NOT NULL CHECK (kind IN ('instruct', 'journal')),
  period text NOT NULL,
  n int NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'sealed', 'done', 'empty')),
  seal_at timestamptz NOT NULL,
  sealed_at timestamptz,
  reply_due timestamptz,
  body bytea,
  hash bytea,
  UNIQUE (account_id, kind, period, n),
  CHECK ((body IS NULL) = (hash IS NULL)),
  CHECK ((state IN ('open', 'empty')) = (body IS NULL))
);
CREATE UNIQUE INDEX batches_open ON batches (account_id, kind, coalesce(location_id, 0)) WHERE state = 'open';
CREATE INDEX batches_due ON batches (seal_at, subject_id) WHERE state = 'open';

-- The queue of calls. A finished row is deleted; its outcome is a fact.
CREATE TABLE effects (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject_id bigint NOT NULL REFERENCES subjects,
  account_id smallint NOT NULL REFERENCES accounts,
  op text NOT NULL,
  intent_id bigint NOT NULL UNIQUE REFERENCES facts,
  lane smallint NOT NULL CHECK (lane IN (0, 1, 2)),
  state text NOT NULL DEFAULT 'planned' CHECK (state IN ('planned', 'leased', 'sending', 'unresolved')),
  due_at timestamptz NOT NULL,
  token bigint,
  lease_until timestamptz,
  attempts smallint NOT NULL DEFAULT 0,
  sends smallint NOT NULL DEFAULT 0,
  looks smallint NOT NULL DEFAULT 0,
  ambiguous bool NOT NULL DEFAULT false,
  first_sent_at timestamptz,
  last_sent_at timestamptz,
  body bytea,
  label text,
  error text,
  sent_epoch int,
  CHECK (state NOT IN ('leased', 'sending') OR (token IS NOT NULL AND lease_until IS NOT NULL)),
  CHECK (state <> 'sending' OR body IS NOT NULL)
);
CREATE SEQUENCE lease_tokens;
-- Enforced at insert, never at claim: one effect per subject and account is in the queue.
CREATE UNIQUE INDEX effects_one ON effects (subject_id, account_id) WHERE state <> 'unresolved';
CREATE INDEX effects_due ON effects (account_id, lane, due_at, id) WHERE state = 'planned';
CREATE INDEX effects_leased ON effects (account_id, lease_until) WHERE state IN ('leased', 'sending');

CREATE TABLE tasks (
  subject_id bigint NOT NULL REFERENCES subjects,
  kind text NOT NULL,
  detail text NOT NULL,
  since timestamptz NOT NULL,
  due_at timestamptz,
  PRIMARY KEY (subject_id, kind)
);

CREATE TABLE items (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  code text NOT NULL UNIQUE,
  kind text NOT NULL DEFAULT 'stock' CHECK (kind IN ('stock', 'service'))
);
CREATE TABLE item_codes (
  account_id smallint NOT NULL REFERENCES accounts,
  code text NOT NULL,
  item_id bigint NOT NULL REFERENCES items,
  multiplier int NOT NULL DEFAULT 1 CHECK (multiplier > 0),
  PRIMARY KEY (account_id, code)
);
CREATE INDEX item_codes_item ON item_codes (item_id, account_id);

-- on hand = base_qty + the entries effective after base_as_of; late entries are right by construction.
CREATE TABLE stock (
  item_id bigint NOT NULL REFERENCES items,
  location_id smallint NOT NULL REFERENCES locations,
  bucket text NOT NULL DEFAULT 'sellable',
  base_qty bigint NOT NULL,
  base_as_of timestamptz NOT NULL,
  PRIMARY KEY (item_id, location_id, bucket)
);
CREATE TABLE stock_entries (
  item_id bigint NOT NULL REFERENCES items,
  location_id smallint NOT NULL REFERENCES locations,
  bucket text NOT NULL DEFAULT 'sellable',
  cause text NOT NULL,
  qty bigint NOT NULL,
  effective_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  PRIMARY KEY (item_id, location_id, bucket, cause)
);
CREATE INDEX stock_entries_after ON stock_entries (item_id, location_id, bucket, effective_at) INCLUDE (qty);

CREATE TABLE demands (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject_id bigint NOT NULL REFERENCES subjects,
  group_key text NOT NULL,
  line_key text NOT NULL,
  cause text NOT NULL DEFAULT 'sale',
  n smallint NOT NULL DEFAULT 0,
  item_id bigint NOT NULL REFERENCES items,
  wanted int NOT NULL CHECK (wanted >= 0),
  shipped int NOT NULL DEFAULT 0 CHECK (shipped >= 0),
  reserved int NOT NULL DEFAULT 0 CHECK (reserved >= 0),
  firm bool NOT NULL DEFAULT false,
  promised_at timestamptz NOT NULL,
  ordered_at timestamptz NOT NULL,
  UNIQUE (subject_id, line_key, cause, n)
);
-- Unmet demand in rank order; `reserved` is written by allocate only, with the reservations it sums.
CREATE INDEX demands_unmet ON demands (item_id, promised_at, ordered_at, id) WHERE wanted > shipped + reserved;

CREATE TABLE reservations (
  demand_id bigint NOT NULL REFERENCES demands,
  location_id smallint NOT NULL REFERENCES locations,
  item_id bigint NOT NULL REFERENCES items,
  qty int NOT NULL CHECK (qty > 0),
  firm bool NOT NULL,
  PRIMARY KEY (demand_id, location_id)
);
CREATE INDEX reservations_item ON reservations (item_id, location_id) INCLUDE (qty);

-- Append-only dirty marks: they never block anybody; allocate claims and deletes them. A mark without
-- a demand says that the item's stock changed.
CREATE TABLE item_marks (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  item_id bigint NOT NULL,
  demand_id bigint
);

CREATE TABLE shipments (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  reference text NOT NULL UNIQUE CHECK (length(reference) <= 20),
  subject_id bigint NOT NULL REFERENCES subjects,
  account_id smallint NOT NULL REFERENCES accounts,
  location_id smallint NOT NULL REFERENCES locations,
  batch_id bigint REFERENCES batches,
  row_no int,
  state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'instructed', 'cancelled', 'rejected', 'shipped')),
  release_at timestamptz NOT NULL,
  UNIQUE (batch_id, row_no)
);
CREATE INDEX shipments_waiting ON shipments (location_id, release_at, id) WHERE state = 'waiting';
CREATE INDEX shipments_subject ON shipments (subject_id);
CREATE TABLE shipment_demands (
  shipment_id bigint NOT NULL REFERENCES shipments,
  demand_id bigint NOT NULL REFERENCES demands,
  qty int NOT NULL CHECK (qty > 0),
  PRIMARY KEY (shipment_id, demand_id)
);
CREATE INDEX shipment_demands_demand ON shipment_demands (demand_id);

-- Money we decide is bound here; money we are told is a fact.
CREATE TABLE tenders (
  subject_id bigint NOT NULL REFERENCES subjects,
  n smallint NOT NULL,
  method text NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  amount bigint,
  capture_ceiling bigint NOT NULL DEFAULT 0,
  intended_capture bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (subject_id, n),
  CHECK (intended_capture BETWEEN 0 AND capture_ceiling)
);
CREATE TABLE deposit_matches (
  deposit_id bigint NOT NULL REFERENCES subjects,
  order_id bigint NOT NULL REFERENCES subjects,
  amount bigint NOT NULL CHECK (amount > 0),
  PRIMARY KEY (deposit_id, order_id)
);
CREATE TABLE revenue_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  subject_id bigint NOT NULL REFERENCES subjects,
  key text NOT NULL,
  business_date date NOT NULL,
  channel_id smallint NOT NULL REFERENCES accounts,
  payment text NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  tax_rate_bp int NOT NULL,
  rounding bool NOT NULL,
  gross bigint NOT NULL,
  tax bigint NOT NULL,
  batch_id bigint REFERENCES batches,
  UNIQUE (subject_id, key)
);
CREATE INDEX revenue_open ON revenue_events (business_date, id) WHERE batch_id IS NULL;
CREATE INDEX revenue_batch ON revenue_events (batch_id) WHERE batch_id IS NOT NULL;

-- Queue-like tables are rewritten all the time: let autovacuum come early; the daemon vacuums too.
ALTER TABLE effects SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, fillfactor = 80);
ALTER TABLE subjects SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, fillfactor = 80);
ALTER TABLE item_marks SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);
