-- Lines whose code came to mean another item kept what was reserved of the one before. In a transaction of its own: it
-- locks orders, which an index or a trigger on `facts` must not wait for while daemons run.
DO $$ BEGIN
  PERFORM id FROM subjects WHERE id IN (SELECT d.subject_id FROM reservations r JOIN demands d ON d.id = r.demand_id WHERE r.item_id <> d.item_id)
  ORDER BY id FOR NO KEY UPDATE;
END $$;

WITH gone AS (DELETE FROM reservations r USING demands d WHERE r.demand_id = d.id AND r.item_id <> d.item_id
    RETURNING r.demand_id, r.location_id, r.item_id, d.item_id AS means),
  summed AS (UPDATE demands d SET reserved = coalesce((SELECT sum(r.qty) FROM reservations r
      WHERE r.demand_id = d.id AND NOT EXISTS (SELECT FROM gone g WHERE (g.demand_id, g.location_id) = (r.demand_id, r.location_id))), 0)
    WHERE d.id IN (SELECT demand_id FROM gone)),
  due AS (UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 0 WHERE id IN (SELECT d.subject_id FROM demands d WHERE d.id IN (SELECT demand_id FROM gone)))
INSERT INTO item_marks (item_id, demand_id) SELECT item_id, NULL FROM gone UNION SELECT means, demand_id FROM gone;
