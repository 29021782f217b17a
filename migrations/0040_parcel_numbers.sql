-- What is reserved is of the item that the line means.

-- Lines whose code came to mean another item kept what was reserved of the one before.
WITH gone AS (DELETE FROM reservations r USING demands d WHERE r.demand_id = d.id AND r.item_id <> d.item_id
    RETURNING r.demand_id, r.location_id, r.item_id, d.item_id AS means),
  summed AS (UPDATE demands d SET reserved = coalesce((SELECT sum(r.qty) FROM reservations r
      WHERE r.demand_id = d.id AND NOT EXISTS (SELECT FROM gone g WHERE (g.demand_id, g.location_id) = (r.demand_id, r.location_id))), 0)
    WHERE d.id IN (SELECT demand_id FROM gone)),
  due AS (UPDATE subjects SET plan_at = (SELECT hk_now()), plan_class = 0 WHERE id IN (SELECT d.subject_id FROM demands d WHERE d.id IN (SELECT demand_id FROM gone)))
INSERT INTO item_marks (item_id, demand_id) SELECT item_id, NULL FROM gone UNION SELECT means, demand_id FROM gone;
