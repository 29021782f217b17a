-- Everything that waits for an operator. Read whole by `list_tasks`, counted by `count_tasks`.
WITH changed AS MATERIALIZED (
  SELECT f.body ->> 'account' AS account, f.recorded_at, s.id, s.reference
  FROM facts f JOIN shipments s ON s.reference = f.body ->> 'reference' AND s.state = 'instructed'
  WHERE f.kind = 'change_seen' AND (f.body -> 'recall')::boolean
    AND NOT EXISTS (SELECT FROM facts later WHERE later.subject_id = f.subject_id AND later.kind = 'change_seen' AND later.id > f.id AND later.body -> 'reference' = f.body -> 'reference')
    AND NOT EXISTS (SELECT FROM facts r WHERE r.subject_id = f.subject_id AND r.kind = 'released' AND r.id > f.id
      AND r.body -> 'rules' ? ('changed:' || s.reference))),
seen AS MATERIALIZED (SELECT DISTINCT account, recorded_at FROM changed)
SELECT kind, subject, detail, since, due_at, actions FROM (
  SELECT k.kind, s.number AS subject, k.detail, k.since, k.due_at, k.actions FROM tasks k JOIN subjects s ON s.id = k.subject_id
  WHERE k.kind <> 'wave_missed'
  UNION ALL
  SELECT k.kind, s.number, w.shipments || ' shipments wait: ' || k.detail, k.since, k.due_at, k.actions FROM tasks k JOIN subjects s ON s.id = k.subject_id
    JOIN batches b ON b.subject_id = k.subject_id CROSS JOIN LATERAL (SELECT count(*) AS shipments FROM shipments p
      WHERE p.location_id = b.location_id AND p.state = 'waiting' AND p.release_at <= k.since AND hk_may_go(p.id, p.subject_id)) w
  WHERE k.kind = 'wave_missed' AND w.shipments > 0
  UNION ALL
  SELECT 'quarantine', a.slug || '/' || q.id, CASE WHEN q.records > 1 THEN q.records || ' records cannot be decoded for one cause, the first: ' ELSE '' END
      || q.reason || CASE WHEN q.kept > 0 THEN '; the last count of ' || q.kept || CASE q.kept WHEN 1 THEN ' code' ELSE ' codes' END || ' stands until then, also where a later list has none'
        ELSE '' END || '. Have a correct version sent, or correct what is missing here and retry ' || CASE WHEN q.records > 1 THEN 'them' ELSE 'it' END, q.first_at, NULL,
    jsonb_build_array(jsonb_build_object('command', 'quarantine show', 'args', jsonb_build_object('id', q.id)),
      jsonb_build_object('command', 'quarantine retry', 'args', jsonb_build_object('id', q.id, 'alike', q.records > 1)),
      jsonb_build_object('command', 'quarantine dismiss', 'args', jsonb_build_object('id', q.id, 'alike', q.records > 1)))
  FROM (SELECT account_id, min(id) AS id, count(*) AS records, (array_agg(reason ORDER BY id))[1] AS reason, min(first_at) AS first_at,
        count(DISTINCT external_id) FILTER (WHERE EXISTS (SELECT FROM stock s JOIN locations l ON l.id = s.location_id
          WHERE l.account_id = quarantine.account_id AND s.code = quarantine.external_id AND s.bucket = 'sellable')) AS kept
      FROM quarantine WHERE resolved_at IS NULL GROUP BY account_id, stream, coalesce(cause, reason)) q JOIN accounts a ON a.id = q.account_id
  UNION ALL
  SELECT 'stream_waiting', a.slug || '/' || t.name, t.waiting, t.waiting_since, NULL, '[]'
  FROM streams t JOIN accounts a ON a.id = t.account_id WHERE t.waiting IS NOT NULL
  UNION ALL
  SELECT 'stock_list_short', a.slug, listing.refused || CASE WHEN listing.refused_items IS NULL THEN '; have a list sent that names items of each warehouse'
      ELSE '; have the whole list sent, or believe it if the shop has so few items now' END, coalesce(listing.refused_at, listing.as_of), NULL,
    CASE WHEN listing.refused_items IS NULL THEN '[]' ELSE jsonb_build_array(jsonb_build_object('command', 'stock believe-list', 'args', jsonb_build_object('warehouse', l.slug))) END
  FROM stock_listings listing JOIN locations l ON l.id = listing.location_id JOIN accounts a ON a.id = l.account_id WHERE listing.refused IS NOT NULL
  UNION ALL
  SELECT 'database_data_loss', 'push and seal', CASE phase
      WHEN 'suspected' THEN CASE WHEN proven_loss IS NULL THEN 'The database may have lost recent commits (' || why || '). Sending and sealing are stopped. '
          || 'State since when, or that the switch lost nothing (a synchronous standby, a planned switchover, an upgrade); look first what it would do'
        ELSE 'The database has lost recent commits (' || proven_loss || '). Sending and sealing are stopped. State since when; look first what it would do' END
      ELSE 'Recovery: everything is fetched again since ' || begun_at || '. Nothing is sent until that is done. Still to fetch: ' || coalesce((
        SELECT string_agg(a.slug || '/' || t.name, ', ' ORDER BY a.slug, t.name) FROM streams t JOIN accounts a ON a.id = t.account_id WHERE t.resync IS NOT NULL), 'nothing')
      END, coalesce(suspected_at, (SELECT hk_now())), NULL,
    CASE WHEN phase <> 'suspected' THEN '[]' WHEN proven_loss IS NULL THEN '[{"command": "recover --lost-since", "args": {}}, {"command": "recover --nothing-lost", "args": {}}]'
      ELSE '[{"command": "recover --lost-since", "args": {}}]' END::jsonb FROM recovery WHERE phase <> 'none'
  UNION ALL
  SELECT 'not_begun', a.slug, CASE WHEN c.stopped_at IS NULL THEN 'the channel has not begun' ELSE 'the channel was stopped by ' || c.stopped_by || ': ' || c.stopped_why END
    || '; its orders are read, planned and reserved for, and nothing is sent for them: look first, then begin it',
    coalesce(c.stopped_at, (SELECT min(o.created_at) FROM subjects o WHERE o.account_id = a.id AND o.kind = 'order')), NULL,
    '[{"command": "begin --dry-run", "args": {}}, {"command": "begin", "args": {}}]'
  FROM accounts a LEFT JOIN channel_begins c ON c.account_id = a.id
  WHERE NOT hk_acts(a.id) AND EXISTS (SELECT FROM subjects o WHERE o.account_id = a.id AND o.kind = 'order')
  UNION ALL
  SELECT 'unrecorded_journal', 'books', 'revenue of before the recovery may stand in journals that this database does not know: '
    || coalesce((SELECT string_agg(file, ', ' ORDER BY file) FROM unrecorded_sends l WHERE l.op = 'post_journal' AND l.epoch = recovery.epoch), 'the books cannot be asked which')
    || '; take those out of the books and say so, and it is booked anew', lifted_at, NULL, '[{"command": "recover --books-cleared", "args": {}}]'
  FROM recovery WHERE books_upto IS NOT NULL AND phase = 'none' AND EXISTS (SELECT FROM revenue_events WHERE batch_id IS NULL AND id <= books_upto)
    OR deposits_upto IS NOT NULL AND phase = 'none' AND EXISTS (SELECT FROM deposit_postings WHERE batch_id IS NULL AND id <= deposits_upto)
  UNION ALL
  SELECT 'deposit_unmatched', 'deposits', count(*) || CASE count(*) WHEN 1 THEN ' deposit is' ELSE ' deposits are' END
    || ' not matched to an order, or not in full: match each, or void it', min(s.created_at), NULL, '[{"command": "deposit list", "args": {}}]'
  FROM subjects s WHERE s.kind = 'deposit' AND s.closed_at IS NULL HAVING count(*) > 0
  UNION ALL
  SELECT 'deposit_not_booked', coalesce(d.number, o.number), 'cannot be written into the books: ' || p.refused
    || '. Correct the layout or the ledger accounts and restart; hikiate retries each hour', min(p.recorded_at), NULL, '[]'
  FROM deposit_postings p LEFT JOIN subjects d ON d.id = p.deposit_id LEFT JOIN subjects o ON o.id = p.order_id
  WHERE p.batch_id IS NULL AND p.refused IS NOT NULL GROUP BY coalesce(d.number, o.number), p.refused
  UNION ALL
  SELECT 'account_paused', slug, paused || '. hikiate tries it again each minute', coalesce(paused_since, (SELECT hk_now())), resume_at, '[]' FROM accounts WHERE paused IS NOT NULL
  UNION ALL
  SELECT 'paused_' || p.what, a.slug, CASE p.what WHEN 'writes' THEN 'nothing is sealed for it or sent to it' ELSE 'nothing is read from it' END
    || ': ' || p.actor || ' paused it: ' || p.reason, p.since, NULL, '[{"command": "resume", "args": {}}]'
  FROM account_pauses p JOIN accounts a ON a.id = p.account_id
  UNION ALL
  SELECT 'shipping_stopped', 'stop ' || t.id, 'nothing is sealed that matches' || coalesce(' item ' || t.sku, '') || coalesce(' channel ' || a.slug, '')
    || coalesce(' warehouse ' || l.slug, '') || CASE WHEN coalesce(t.sku, a.slug, l.slug) IS NULL THEN ': everything' ELSE '' END || '; ' || t.actor || ': ' || t.reason,
    t.since, NULL, jsonb_build_array(jsonb_build_object('command', 'stop-shipping lift', 'args', jsonb_build_object('id', t.id)))
  FROM shipping_stops t LEFT JOIN accounts a ON a.id = t.channel_id LEFT JOIN locations l ON l.id = t.location_id WHERE t.lifted_at IS NULL
  UNION ALL
  SELECT 'stream_failing', a.slug || '/' || t.name, t.error || '. The cursor stays; hikiate keeps retrying', coalesce(t.page_at, t.due_at), NULL, '[]'
  FROM streams t JOIN accounts a ON a.id = t.account_id WHERE t.fails >= 5
  UNION ALL
  SELECT 'reads_failing', a.slug || CASE f.kind WHEN 'order' THEN '' ELSE '/' || f.kind END, f.error || '. ' || initcap(f.kind) || 's cannot be refreshed by id; hikiate keeps retrying', f.since, NULL, '[]'
  FROM read_failures f JOIN accounts a ON a.id = f.account_id WHERE f.fails >= 5
  UNION ALL
  SELECT 'reads_failing', a.slug || '/' || r.external_id, 'this ' || r.kind || ' is rejected each time it is refreshed by id; the others go on, and hikiate keeps retrying', r.noted_at, NULL, '[]'
  FROM reads r JOIN accounts a ON a.id = r.account_id WHERE r.tries >= 5
  UNION ALL
  SELECT 'changes_at_once', a.slug, count(*) || ' shipments differ from their orders since about the same minute, so none of them is recalled by itself: '
    || array_to_string((array_agg(c.reference ORDER BY c.id))[1:20], ', ') || CASE WHEN count(*) > 20 THEN ', …' ELSE '' END
    || '; look at what changed them, then recall each (order recall REFERENCE), or release rule changed:REFERENCE to let it go', min(c.recorded_at), NULL, '[]'
  FROM changed c JOIN accounts a ON a.slug = c.account
  WHERE (c.account, c.recorded_at) IN (SELECT account, recorded_at FROM seen WHERE hk_many_changes(account, recorded_at))
  GROUP BY a.slug
  UNION ALL
  SELECT 'channel_fulfils', a.slug, c.at_once || ' of the last ' || c.looked_at || ' orders were fulfilled or completed at the channel at once: it seems to do so by itself. '
    || 'Orders like that are held; write others = "believe" or "ignore-unshipped" under [channels.' || a.slug || '] and restart', c.since, NULL, '[]'
  FROM channel_alarms c JOIN accounts a ON a.id = c.account_id
  UNION ALL
  SELECT 'orders_absent', a.slug, count(*) || ' open orders are not shown when they are read by their ids: none of them is shipped, captured or told. If the account lost a right or '
    || 'is another shop''s, mend that and they come back by themselves; if these orders are gone, say so', m.since, NULL,
    '[{"command": "account believe", "args": {}}]'
  FROM absence_alarms m JOIN accounts a ON a.id = m.account_id JOIN presence p ON p.account_id = m.account_id AND p.misses > 0 AND NOT p.believed
    JOIN subjects o ON o.id = p.subject_id AND o.closed_at IS NULL GROUP BY a.slug, m.since
  UNION ALL
  SELECT 'orders_unread', a.slug, count(DISTINCT o.id) || ' orders are kept back, because they could not be read again before they were to be sealed: '
    || array_to_string((array_agg(DISTINCT o.number))[1:20], ', ') || CASE WHEN count(DISTINCT o.id) > 20 THEN ', …' ELSE '' END
    || '; they go by themselves once they are read, look at the account', min(s.unread_since), NULL, '[]'
  FROM shipments s JOIN subjects o ON o.id = s.subject_id JOIN accounts a ON a.id = o.account_id
  WHERE s.state = 'waiting' AND s.unread_since < (SELECT hk_now()) - interval '1 minute' AND (hk_looked_at(o.id) >= s.unread_since) IS NOT TRUE
  GROUP BY a.slug
  UNION ALL
  SELECT 'send_failing', u.number, CASE WHEN e.outcome_unknown
      THEN f.key || ' may have taken effect at ' || a.slug || ': ' || e.attempts || ' attempts without a clear answer; hikiate looks it up before it sends again, or sends it under '
        || 'the same idempotency key (last: ' || coalesce(e.error, 'no reason was given') || '). Check the account, and do not do by hand what may have been done; what you see there can be recorded'
      ELSE 'At least 5 attempts failed before ' || f.key || ' reached ' || a.slug || ': ' || coalesce(e.error, 'no reason was given')
        || '. hikiate keeps retrying. Check the account' END, f.recorded_at, NULL, CASE WHEN e.outcome_unknown
      THEN jsonb_build_array(jsonb_build_object('command', 'effect resolve', 'args', jsonb_build_object('effect', e.id))) ELSE '[]' END
  FROM effects e JOIN facts f ON f.id = e.intent_id JOIN subjects u ON u.id = e.subject_id JOIN accounts a ON a.id = e.account_id
  WHERE e.state = 'planned' AND e.attempts >= 5
  UNION ALL
  SELECT 'loop_panicked', loop, 'This loop of the daemon panicked ' || times || CASE times WHEN 1 THEN ' time' ELSE ' times' END || ', the last time at '
    || to_char(last_at, 'YYYY-MM-DD HH24:MI:SS') || ' UTC: ' || why || '. It starts again automatically, and the task closes after an hour without a panic. '
    || 'That is a fault of hikiate: report it with the log lines of that moment', first_at, NULL, '[]'
  FROM loop_panics WHERE last_at > (SELECT hk_now()) - interval '1 hour'
  UNION ALL
  SELECT 'automation_paused', b.automation || '/' || a.slug, b.reason || '. Check what it did, correct the cause, then resume it', b.paused_at, NULL,
    jsonb_build_array(jsonb_build_object('command', 'effect list', 'args', '{}'::jsonb),
      jsonb_build_object('command', 'rule resume', 'args', jsonb_build_object('rule', b.automation, 'account', a.slug)))
  FROM automation_usage b JOIN accounts a ON a.id = b.account_id WHERE b.paused_at IS NOT NULL
) AS all_tasks
