-- What comes in: bad records by what they are about and why, streams whose far side holds back files, and stock by the
-- warehouse's own code.

-- Counts have the code in their key, which an older program cannot write.
UPDATE gate SET min_code = 3;

-- Of the file that a record stood in: its hash, when it was first read, and in which of its rows the record's rows begin. When a
-- record was told, by its file or when it was asked for, says which good record may settle it.
ALTER TABLE quarantine ADD COLUMN part text, ADD COLUMN file text, ADD COLUMN cause text, ADD COLUMN retry_at timestamptz,
  ADD COLUMN file_hash text, ADD COLUMN file_read_at timestamptz, ADD COLUMN file_rows bigint[], ADD COLUMN told_at timestamptz,
  ADD COLUMN dismissed_at timestamptz;
CREATE INDEX quarantine_retry ON quarantine (account_id, retry_at) WHERE retry_at IS NOT NULL;
ALTER TABLE streams ADD COLUMN waiting text, ADD COLUMN waiting_since timestamptz;

-- Each code is counted for itself. A count of before belongs to the one code that its item has at the warehouse; with more
-- than one it keeps none, and goes with the next count.
ALTER TABLE stock ADD COLUMN code text NOT NULL DEFAULT '', ADD COLUMN read_at timestamptz, ADD COLUMN listing text;
UPDATE stock s SET code = CASE
    WHEN (SELECT count(*) FROM item_codes m WHERE m.account_id = l.account_id AND m.item_id = s.item_id) = 0 THEN i.code
    ELSE coalesce((SELECT min(m.code) FROM item_codes m WHERE m.account_id = l.account_id AND m.item_id = s.item_id HAVING count(*) = 1), '') END
  FROM locations l, items i WHERE l.id = s.location_id AND i.id = s.item_id;
ALTER TABLE stock DROP CONSTRAINT stock_pkey, ADD PRIMARY KEY (item_id, location_id, bucket, code);

-- A count that was dated ahead would stand until then; it gives way to the next one.
UPDATE stock SET base_as_of = (SELECT hk_now()) WHERE base_as_of > (SELECT hk_now()) + interval '10 minutes';

-- The code that the movement's instruction named; '' where nobody knows.
ALTER TABLE stock_entries ADD COLUMN code text NOT NULL DEFAULT '';

-- Lists of all stock, the last one of each place: one that names far fewer items there than the last counts nothing.
CREATE TABLE stock_listings (
  location_id smallint PRIMARY KEY REFERENCES locations,
  id text NOT NULL,
  counted bool NOT NULL,
  items int NOT NULL,
  as_of timestamptz NOT NULL,
  refused text,
  refused_items int
);

-- An item at a warehouse: its counts summed, and the oldest of their times.
CREATE VIEW stock_levels AS
  SELECT item_id, location_id, sum(base_qty)::bigint AS base_qty, min(base_as_of) AS base_as_of FROM stock WHERE bucket = 'sellable'
  GROUP BY item_id, location_id;

-- What is on hand: the counts, and what moved after them. A movement is weighed against the count of its own code; one of an
-- unknown code against the oldest count, so that it is rather taken off twice than never. Within `skew` seconds of a count, what left
-- counts as not in it and what came as in it.
CREATE FUNCTION hk_on_hand(item bigint, place smallint, skew float8 DEFAULT 0) RETURNS bigint STABLE PARALLEL SAFE LANGUAGE sql AS
$$ SELECT coalesce(l.base_qty, 0) + coalesce((
    SELECT sum(e.qty) FROM stock_entries e
      LEFT JOIN stock k ON k.item_id = e.item_id AND k.location_id = e.location_id AND k.bucket = e.bucket AND k.code = e.code
    WHERE e.item_id = item AND e.location_id = place AND e.bucket = 'sellable' AND e.effective_at > l.base_as_of - make_interval(secs => skew)
      AND e.effective_at > coalesce(k.base_as_of, l.base_as_of) + CASE WHEN e.qty > 0 THEN 1 ELSE -1 END * make_interval(secs => skew)), 0)::bigint
  FROM (SELECT sum(base_qty)::bigint AS base_qty, min(base_as_of) AS base_as_of FROM stock
    WHERE item_id = item AND location_id = place AND bucket = 'sellable') l $$;

-- Only what the mapping file lists is an item.
ALTER TABLE gate ADD COLUMN listed bool NOT NULL DEFAULT false;

-- Items that a warehouse had accepted by then and had not shipped: a count of what is free has them taken off.
CREATE FUNCTION hk_accepted(item bigint, place smallint, at timestamptz) RETURNS bigint STABLE LANGUAGE sql AS
$$ SELECT coalesce(sum(greatest(0, o.qty + o.moved)), 0)::bigint FROM (
    SELECT sum(sd.qty) AS qty, coalesce((SELECT sum(e.qty) FROM stock_entries e WHERE e.item_id = item AND e.location_id = place AND e.bucket = 'sellable'
        AND e.effective_at <= at AND split_part(e.cause, ':', 2) = h.reference), 0) AS moved
    FROM shipments h JOIN shipment_demands sd ON sd.shipment_id = h.id JOIN demands d ON d.id = sd.demand_id
    WHERE h.location_id = place AND d.item_id = item
      AND (h.state = 'instructed' OR h.reference IN (SELECT split_part(e.cause, ':', 2) FROM stock_entries e
        WHERE e.item_id = item AND e.location_id = place AND e.bucket = 'sellable' AND e.effective_at > at))
      AND EXISTS (SELECT FROM facts f WHERE f.subject_id = h.subject_id AND (
        f.kind = 'reply' AND f.body ->> 'reference' = h.reference AND f.body ->> 'verdict' = 'accepted' AND f.happened_at <= at
        OR f.kind = 'outcome' AND f.body ->> 'intent' = 'instruct:' || h.reference AND f.body ->> 'verdict' = 'done' AND f.recorded_at <= at))
    GROUP BY h.reference, h.location_id) o $$;
