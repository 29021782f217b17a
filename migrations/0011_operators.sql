-- What operators stop and start again, and the list of what they typed.

-- An account that an operator has paused: nothing is sent to it (writes), or nothing is read from it (reads). Apart from
-- `accounts.paused`, which the daemon sets and lifts by itself when credentials are refused.
CREATE TABLE account_pauses (
  account_id smallint NOT NULL REFERENCES accounts,
  what text NOT NULL CHECK (what IN ('writes', 'reads')),
  reason text NOT NULL,
  actor text NOT NULL,
  since timestamptz NOT NULL,
  PRIMARY KEY (account_id, what)
);

-- Shipments that match are not sealed while a stop stands; null matches everything.
CREATE TABLE shipping_stops (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sku text,
  channel_id smallint REFERENCES accounts,
  location_id smallint REFERENCES locations,
  reason text NOT NULL,
  actor text NOT NULL,
  since timestamptz NOT NULL,
  lifted_at timestamptz,
  lifted_by text,
  lifted_why text,
  CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
);
CREATE INDEX shipping_stops_standing ON shipping_stops (id) WHERE lifted_at IS NULL;

-- An item's own code and the codes that channels and warehouses have for it name it alike.
CREATE VIEW stopped_items AS
  SELECT t.id AS stop_id, i.id AS item_id FROM shipping_stops t JOIN items i ON i.code = t.sku WHERE t.lifted_at IS NULL
  UNION
  SELECT t.id, m.item_id FROM shipping_stops t JOIN item_codes m ON m.code = t.sku WHERE t.lifted_at IS NULL;

-- Shipments that a standing stop matches and that have not ended.
CREATE VIEW stopped_shipments AS
  SELECT t.id AS stop_id, s.id AS shipment_id, s.subject_id, s.location_id, s.state
  FROM shipping_stops t
    JOIN shipments s ON t.location_id IS NULL OR s.location_id = t.location_id
    JOIN subjects o ON o.id = s.subject_id AND (t.channel_id IS NULL OR o.account_id = t.channel_id)
  WHERE t.lifted_at IS NULL AND s.state IN ('waiting', 'instructed')
    AND (t.sku IS NULL OR EXISTS (
      SELECT FROM shipment_demands sd JOIN demands d ON d.id = sd.demand_id JOIN stopped_items i ON i.item_id = d.item_id AND i.stop_id = t.id
      WHERE sd.shipment_id = s.id));

-- What was typed, by the random id that stands beside the witness too: what is there and not here was lost.
CREATE TABLE operator_acts (
  id text PRIMARY KEY,
  at timestamptz NOT NULL,
  actor text NOT NULL,
  command text NOT NULL
);
