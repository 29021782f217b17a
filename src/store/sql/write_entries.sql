WITH told AS MATERIALIZED (
  SELECT * FROM unnest($1::bigint[], $2::smallint[], $3::text[], $4::bigint[], $5::timestamptz[], $6::bigint[], $7::text[]) AS t (i, l, c, q, e, d, k)),
gone AS (
  SELECT t.d, t.l, t.i, -sum(t.q - coalesce(e.qty, 0)) AS n FROM told t
    LEFT JOIN stock_movements e ON e.item_id = t.i AND e.location_id = t.l AND e.bucket = 'sellable' AND e.cause = t.c
  GROUP BY t.d, t.l, t.i),
taken AS MATERIALIZED (
  SELECT r.demand_id, r.location_id, r.qty, least(r.qty, gone.n)::int AS n FROM gone
    JOIN reservations r ON r.demand_id = gone.d AND r.location_id = gone.l AND r.item_id = gone.i WHERE gone.n > 0),
ended AS (DELETE FROM reservations r USING taken t WHERE r.demand_id = t.demand_id AND r.location_id = t.location_id AND t.n = t.qty),
less AS (UPDATE reservations r SET qty = r.qty - t.n FROM taken t WHERE r.demand_id = t.demand_id AND r.location_id = t.location_id AND t.n < t.qty),
summed AS (UPDATE demands d SET reserved_qty = d.reserved_qty - t.n FROM (SELECT demand_id, sum(n) AS n FROM taken GROUP BY 1) AS t WHERE d.id = t.demand_id),
put AS (
  INSERT INTO stock_movements (item_id, location_id, cause, qty, effective_at, code, recorded_at)
  SELECT t.i, t.l, t.c, t.q, t.e, t.k, (SELECT hk_now()) FROM told t
  ON CONFLICT (item_id, location_id, bucket, cause) DO UPDATE SET qty = excluded.qty, effective_at = excluded.effective_at, code = excluded.code
  WHERE (stock_movements.qty, stock_movements.effective_at, stock_movements.code) IS DISTINCT FROM (excluded.qty, excluded.effective_at, excluded.code)
  RETURNING item_id)
INSERT INTO allocation_requests (item_id) SELECT DISTINCT item_id FROM put
