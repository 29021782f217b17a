-- What an operator keeps a batch back with, and what to type; null when nothing does. A journal has no location, and a stop
-- of shipping does not touch it.
CREATE FUNCTION hk_kept_back(account smallint, location smallint) RETURNS text STABLE LANGUAGE sql AS $$
  SELECT coalesce(
    (SELECT 'account ' || a.slug || ' is paused by ' || p.actor || ' (' || p.reason || '): `hikiate resume ' || a.slug || '`'
     FROM account_pauses p JOIN accounts a ON a.id = p.account_id WHERE p.account_id = account AND p.what = 'writes'),
    (SELECT 'shipping is stopped by ' || t.actor || ' (' || t.reason || '): `hikiate stop-shipping lift ' || t.id || '`'
     FROM shipping_stops t WHERE location IS NOT NULL AND t.lifted_at IS NULL AND t.sku IS NULL AND t.channel_id IS NULL
       AND (t.location_id IS NULL OR t.location_id = location) ORDER BY t.id LIMIT 1),
    (SELECT 'the database was set back: `hikiate recover`' WHERE hk_stopped()))
$$;
