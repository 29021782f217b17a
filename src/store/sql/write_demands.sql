WITH told AS MATERIALIZED (
  SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::int[], $6::int[], $7::bool[], $8::timestamptz[], $9::timestamptz[], $10::bool[], $11::int[])
    AS t (s, g, l, i, w, left_us, f, p, o, b, x)),
gone AS (DELETE FROM reservations r USING demands d, told t
  WHERE d.subject_id = t.s AND d.line_key = t.l AND d.cause = 'sale' AND d.part_no = 0 AND r.demand_id = d.id AND r.item_id <> t.i RETURNING r.item_id, r.demand_id),
put AS (
  INSERT INTO demands (subject_id, group_key, line_key, item_id, required_qty, shipped_qty, firm, promised_at, ordered_at, behind, by_others)
  SELECT * FROM told
  ON CONFLICT (subject_id, line_key, cause, part_no) DO UPDATE SET item_id = excluded.item_id, required_qty = excluded.required_qty, shipped_qty = excluded.shipped_qty,
    reserved_qty = (SELECT coalesce(sum(r.qty), 0) FROM reservations r WHERE r.demand_id = demands.id AND r.item_id = excluded.item_id), firm = excluded.firm, promised_at = excluded.promised_at, ordered_at = excluded.ordered_at, behind = excluded.behind,
    by_others = excluded.by_others
  WHERE (demands.item_id, demands.required_qty, demands.shipped_qty, demands.firm, demands.behind, demands.promised_at, demands.by_others)
    IS DISTINCT FROM (excluded.item_id, excluded.required_qty, excluded.shipped_qty, excluded.firm, excluded.behind, excluded.promised_at, excluded.by_others)
    OR EXISTS (SELECT FROM gone g WHERE g.demand_id = demands.id)
  RETURNING item_id, id)
INSERT INTO allocation_requests (item_id, demand_id) SELECT item_id, id FROM put UNION ALL SELECT item_id, NULL FROM gone
