-- The names of docs/glossary.md for tables, columns, tasks and blockers. Stop every daemon of an earlier version first: its
-- statements name tables that are gone. Facts are not touched: their stored words stay.

ALTER TABLE heads RENAME TO latest_observations;
ALTER TABLE latest_observations RENAME COLUMN n TO revision;
ALTER TABLE latest_observations RENAME COLUMN asked_at TO requested_at;
ALTER TABLE latest_observations RENAME COLUMN answered_at TO received_at;
ALTER INDEX heads_pkey RENAME TO latest_observations_pkey;
ALTER TABLE presence RENAME COLUMN n TO revision;
ALTER TABLE presence RENAME COLUMN asked_at TO requested_at;

ALTER TABLE facts RENAME COLUMN told_at TO reported_at;
ALTER TABLE quarantine RENAME COLUMN told_at TO reported_at;
ALTER TABLE effects RENAME COLUMN looks TO lookups;
ALTER TABLE effects RENAME COLUMN ambiguous TO outcome_unknown;
ALTER TABLE streams RENAME COLUMN again TO resync;
ALTER TABLE batches RENAME COLUMN n TO batch_no;

ALTER TABLE demands RENAME COLUMN n TO part_no;
ALTER TABLE demands RENAME COLUMN wanted TO required_qty;
ALTER TABLE demands RENAME COLUMN shipped TO shipped_qty;
ALTER TABLE demands RENAME COLUMN reserved TO reserved_qty;
ALTER TABLE item_marks RENAME TO allocation_requests;
ALTER INDEX item_marks_pkey RENAME TO allocation_requests_pkey;
ALTER TABLE stock RENAME COLUMN base_qty TO counted_qty;
ALTER TABLE stock RENAME COLUMN base_as_of TO counted_at;
ALTER VIEW stock_levels RENAME COLUMN base_qty TO counted_qty;
ALTER VIEW stock_levels RENAME COLUMN base_as_of TO counted_at;
ALTER TABLE stock_entries RENAME TO stock_movements;
ALTER INDEX stock_entries_pkey RENAME TO stock_movements_pkey;
ALTER INDEX stock_entries_after RENAME TO stock_movements_after;

ALTER TABLE rule_epochs RENAME TO automations;
ALTER TABLE automations RENAME COLUMN rule TO automation;
ALTER INDEX rule_epochs_pkey RENAME TO automations_pkey;
ALTER TABLE rule_bursts RENAME TO automation_usage;
ALTER TABLE automation_usage RENAME COLUMN rule TO automation;
ALTER INDEX rule_bursts_pkey RENAME TO automation_usage_pkey;
ALTER TABLE rule_waits RENAME TO automation_backlog;
ALTER TABLE automation_backlog RENAME COLUMN rule TO automation;
ALTER INDEX rule_waits_pkey RENAME TO automation_backlog_pkey;

ALTER TABLE planning RENAME TO planning_claims;
ALTER INDEX planning_pkey RENAME TO planning_claims_pkey;
ALTER TABLE recalls RENAME TO recovery_queries;
ALTER TABLE recovery_queries RENAME COLUMN can_tell TO can_list;
ALTER INDEX recalls_pkey RENAME TO recovery_queries_pkey;
ALTER TABLE lost_sends RENAME TO unrecorded_sends;
ALTER TABLE unrecorded_sends RENAME COLUMN heard TO replies_refetched;
ALTER INDEX lost_sends_pkey RENAME TO unrecorded_sends_pkey;
ALTER INDEX lost_sends_number RENAME TO unrecorded_sends_number;

ALTER TABLE subjects DROP CONSTRAINT subjects_origin_check;
UPDATE subjects SET origin = 'placeholder' WHERE origin = 'stub';
ALTER TABLE subjects ALTER COLUMN origin SET DEFAULT 'placeholder',
  ADD CONSTRAINT subjects_origin_check CHECK (origin IN ('placeholder', 'live', 'history'));

-- The bodies of functions are text: those that name what moved are written anew.
CREATE OR REPLACE FUNCTION hk_looked_at(bigint) RETURNS timestamptz STABLE LANGUAGE sql AS
$$ SELECT greatest((SELECT requested_at FROM latest_observations WHERE subject_id = $1 AND kind = 'order' AND series = ''),
     (SELECT requested_at FROM presence WHERE subject_id = $1)) $$;

CREATE OR REPLACE FUNCTION hk_on_hand(item bigint, place smallint, skew float8 DEFAULT 0) RETURNS bigint STABLE PARALLEL SAFE LANGUAGE sql AS
$$ SELECT coalesce(l.counted_qty, 0) + coalesce((
    SELECT sum(e.qty) FROM stock_movements e
      LEFT JOIN stock k ON k.item_id = e.item_id AND k.location_id = e.location_id AND k.bucket = e.bucket AND k.code = e.code
    WHERE e.item_id = item AND e.location_id = place AND e.bucket = 'sellable' AND e.effective_at > l.counted_at - make_interval(secs => skew)
      AND e.effective_at > coalesce(k.counted_at, l.counted_at) + CASE WHEN e.qty > 0 THEN 1 ELSE -1 END * make_interval(secs => skew)), 0)::bigint
  FROM (SELECT sum(counted_qty)::bigint AS counted_qty, min(counted_at) AS counted_at FROM stock
    WHERE item_id = item AND location_id = place AND bucket = 'sellable') l $$;

CREATE OR REPLACE FUNCTION hk_accepted(item bigint, place smallint, at timestamptz) RETURNS bigint STABLE LANGUAGE sql AS
$$ SELECT coalesce(sum(greatest(0, o.qty + o.moved)), 0)::bigint FROM (
    SELECT sum(sd.qty) AS qty, coalesce((SELECT sum(e.qty) FROM stock_movements e WHERE e.item_id = item AND e.location_id = place AND e.bucket = 'sellable'
        AND e.effective_at <= at AND split_part(e.cause, ':', 2) = h.reference), 0) AS moved
    FROM shipments h JOIN shipment_demands sd ON sd.shipment_id = h.id JOIN demands d ON d.id = sd.demand_id
    WHERE h.location_id = place AND d.item_id = item
      AND (h.state = 'instructed' OR h.reference IN (SELECT split_part(e.cause, ':', 2) FROM stock_movements e
        WHERE e.item_id = item AND e.location_id = place AND e.bucket = 'sellable' AND e.effective_at > at))
      AND EXISTS (SELECT FROM facts f WHERE f.subject_id = h.subject_id AND (
        f.kind = 'reply' AND f.body ->> 'reference' = h.reference AND f.body ->> 'verdict' = 'accepted' AND f.happened_at <= at
        OR f.kind = 'outcome' AND f.body ->> 'intent' = 'instruct:' || h.reference AND f.body ->> 'verdict' = 'done' AND f.recorded_at <= at))
    GROUP BY h.reference, h.location_id) o $$;

CREATE OR REPLACE FUNCTION hk_kept_back(account smallint, location smallint) RETURNS text STABLE LANGUAGE sql AS $$
  SELECT coalesce(
    (SELECT 'account ' || a.slug || ' is paused by ' || p.actor || ' (' || p.reason || '). Run: hikiate resume ' || a.slug || ' --reason TEXT'
     FROM account_pauses p JOIN accounts a ON a.id = p.account_id WHERE p.account_id = account AND p.what = 'writes'),
    (SELECT 'shipping is stopped by ' || t.actor || ' (' || t.reason || '). Run: hikiate stop-shipping lift ' || t.id || ' --reason TEXT'
     FROM shipping_stops t WHERE location IS NOT NULL AND t.lifted_at IS NULL AND t.sku IS NULL AND t.channel_id IS NULL
       AND (t.location_id IS NULL OR t.location_id = location) ORDER BY t.id LIMIT 1),
    (SELECT 'the database has lost recent commits. See: hikiate recover --help' WHERE hk_stopped()))
$$;

-- Tasks and blockers are derived: renamed here, and written anew by the next plan of their order.
CREATE TEMPORARY TABLE renamed (old text PRIMARY KEY, new text NOT NULL) ON COMMIT DROP;
INSERT INTO renamed VALUES
  ('unpaid_expired', 'payment_overdue'), ('deposit_short', 'deposit_underpaid'), ('deposit_over', 'deposit_overpaid'),
  ('deposit_cancelled', 'deposit_for_cancelled_order'), ('notice_refused', 'shipping_notice_rejected'),
  ('reply_late', 'instruction_reply_overdue'), ('reply_missing', 'batch_replies_overdue'), ('parcel_unknown', 'unexpected_parcel'),
  ('lost_instruction', 'unrecorded_shipment'), ('instruct_not_active', 'order_predates_warehouse'),
  ('mail_address', 'mail_address_missing'), ('address_missing', 'address_incomplete'),
  ('cancel_refused', 'cancellation_request_rejected'), ('cancel_order_refused', 'channel_cancel_rejected'),
  ('capture_refused', 'capture_rejected'), ('mail_refused', 'mail_rejected'), ('batch_refused', 'batch_rejected'),
  ('payment_method_unknown', 'payment_method_unmapped'), ('unknown_channel_state', 'channel_state_unknown'),
  ('capture_over_authorised', 'capture_exceeds_authorisation'), ('told_too_much', 'notice_exceeds_shipped'),
  ('tracking_not_told', 'tracking_not_reported'), ('parcel_told_twice', 'parcel_reported_twice'),
  ('vanished_left', 'vanished_shipped'), ('shipped_refused', 'shipped_rejected'),
  ('gate', 'channel_gate'), ('wave', 'batch'), ('unknown', 'unknown_outcome');
UPDATE subjects s SET plan_at = hk_now(), plan_class = 2
WHERE (s.plan_at IS NULL OR s.plan_class = 1) AND s.plan_fails = 0 AND s.kind = 'order'
  AND EXISTS (SELECT FROM tasks k WHERE k.subject_id = s.id AND k.kind <> 'plan_failed');
UPDATE tasks k SET kind = r.new FROM renamed r WHERE k.kind = r.old;
UPDATE subjects s SET blocked_by = replace(s.blocked_by, r.old, r.new) FROM renamed r
WHERE s.blocked_by IN (r.old, 'check:' || r.old);

UPDATE gate SET min_code = 10;
