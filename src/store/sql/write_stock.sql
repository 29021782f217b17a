WITH told AS MATERIALIZED (
  SELECT DISTINCT ON (coalesce(m.item_id, i.id), t.l, t.c) coalesce(m.item_id, i.id) AS item, t.l, t.c, t.q * coalesce(m.multiplier, 1) AS q, t.f, t.a, t.r
  FROM unnest($2::text[], $3::smallint[], $4::bigint[], $5::bool[], $6::timestamptz[], $7::timestamptz[]) AS t (c, l, q, f, a, r)
  LEFT JOIN item_codes m ON m.account_id = $1 AND m.code = t.c
  LEFT JOIN items i ON i.code = t.c AND m.item_id IS NULL AND NOT (SELECT listed FROM gate)
  ORDER BY coalesce(m.item_id, i.id), t.l, t.c, t.a DESC, t.r DESC, t.q),
-- What the warehouse had accepted by then and had not shipped is on the shelf, too: under the code that instructions name.
level AS (
  SELECT item, l, c, q + CASE WHEN f AND c = coalesce((SELECT min(m.code) FROM item_codes m WHERE m.account_id = $1 AND m.item_id = item AND m.multiplier = 1),
    (SELECT i.code FROM items i WHERE i.id = item)) THEN hk_accepted(item, l, a) ELSE 0 END AS q, a, r FROM told WHERE item IS NOT NULL),
gone AS (DELETE FROM stock s USING level v WHERE s.item_id = v.item AND s.location_id = v.l AND s.bucket = 'sellable' AND s.code = '' AND v.c <> ''),
base AS (
  INSERT INTO stock (item_id, location_id, code, counted_qty, counted_at, read_at, listing) SELECT item, l, c, q, a, r, $8 FROM level ORDER BY item, l, c
  ON CONFLICT (item_id, location_id, bucket, code) DO UPDATE
    SET listing = excluded.listing,
      counted_qty = CASE WHEN (excluded.counted_at, excluded.read_at) > (stock.counted_at, coalesce(stock.read_at, stock.counted_at))
        OR (stock.listing IS NULL AND stock.counted_qty = 0 AND excluded.listing IS NOT NULL) THEN excluded.counted_qty ELSE stock.counted_qty END,
      counted_at = CASE WHEN stock.listing IS NULL AND stock.counted_qty = 0 AND excluded.listing IS NOT NULL THEN excluded.counted_at
        ELSE greatest(stock.counted_at, excluded.counted_at) END,
      read_at = CASE WHEN (stock.listing IS NULL AND stock.counted_qty = 0 AND excluded.listing IS NOT NULL) OR (excluded.counted_at, excluded.read_at) > (stock.counted_at, coalesce(stock.read_at, stock.counted_at)) THEN excluded.read_at ELSE stock.read_at END
  -- An older count changes nothing, but its list has named the item; one that an earlier list left out is there again.
  WHERE excluded.listing IS NOT NULL OR (excluded.counted_at, excluded.read_at) > (stock.counted_at, coalesce(stock.read_at, stock.counted_at))
  RETURNING item_id)
INSERT INTO allocation_requests (item_id) SELECT DISTINCT item_id FROM base
