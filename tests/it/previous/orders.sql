-- 100,000 orders in the empty schema of the previous release, their ids from 1 on: 99,000 shipped, captured and booked, 1,000 that wait for stock.
-- The rows refer to each other as they should; asking a million times is not what is tested.
SET session_replication_role = replica;
INSERT INTO policies (hash, document, loaded_at) VALUES ('\x00', '{}', hk_now());
UPDATE gate SET policy_id = 1;
INSERT INTO accounts (slug, connector) VALUES ('shop', 'medusa'), ('tokyo', 'files'), ('books', 'files');
INSERT INTO streams (account_id, name, due_at) VALUES (1, 'orders', hk_now() + interval '1 day');
INSERT INTO locations (slug, account_id) VALUES ('tokyo', 2);
INSERT INTO items (code) SELECT 'ITEM-' || n FROM generate_series(1, 100) n;
INSERT INTO item_codes (account_id, code, item_id) SELECT a, code, id FROM items, (VALUES (1), (2)) AS v (a);
INSERT INTO stock (item_id, location_id, base_qty, base_as_of) SELECT id, 1, 5000, hk_now() - interval '400 days' FROM items;

CREATE TEMP TABLE made AS
  SELECT n, n AS id, n <= 99000 AS sent, 'order_' || n AS external_id, 'U' || lpad(n::text, 8, '0') AS number,
    hk_now() - interval '365 days' + n * interval '5 minutes' AS at, 1 + n % 100 AS item
  FROM generate_series(1, 100000) n;

INSERT INTO subjects (kind, account_id, external_id, number, origin, status, created_at, closed_at)
  SELECT 'order', 1, external_id, number, 'live', CASE WHEN sent THEN 'booked' ELSE 'backordered' END, at,
    CASE WHEN sent THEN at + interval '2 days' END
  FROM made ORDER BY n;
INSERT INTO aliases (account_id, kind, external_id, subject_id) SELECT 2, 'shipment', number || '-S1', id FROM made WHERE sent;

INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, told_at, recorded_at, business_date, policy_id, actor)
  SELECT id, 'order:1', 'observation', 'order', 1, jsonb_build_object(
      'order', jsonb_build_object(
        'external_id', external_id, 'display', '#' || n, 'version', n, 'ordered_at', to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'currency', 'JPY', 'state', '{"is": "open"}'::jsonb, 'gate', 'open',
        'groups', '[{"key": "1", "service": null, "earliest_ship": null, "ship_by": null}]'::jsonb,
        'lines', jsonb_build_array(jsonb_build_object('key', 'line_1', 'group', '1', 'sku', 'ITEM-' || item, 'title', 'Item ' || item,
          'quantity', 2, 'unit_price', 1000, 'tax_rate_bp', 1000, 'ships', true)),
        'charges', '[{"kind": "goods", "line": "line_1", "gross": 2000, "tax": 182, "tax_rate_bp": 1000, "sponsor": null}]'::jsonb,
        'tenders', jsonb_build_array(jsonb_build_object('key', 'pay_' || n, 'gateway', 'pp_stripe', 'amount', 2000, 'authorised', 2000,
          'captured', 0, 'refunded', 0, 'cancelled', false)),
        'total', 2000, 'fulfilments', '[]'::jsonb),
      'features', '{"groups": {}, "buyer_mail": false, "remarks": false}'::jsonb, 'personal_version', 1),
    at, at, at, at::date, NULL, 'shop'
  FROM made ORDER BY n;
INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, told_at, recorded_at, business_date, policy_id, actor)
  SELECT id, 'capture:pay_' || n || ':1', 'intent', 'intent', 1, jsonb_build_object('op', 'capture', 'account', 'shop', 'n', 1, 'what',
      jsonb_build_object('is', 'call', 'parcels', '[]'::jsonb, 'call', jsonb_build_object('op', 'capture', 'order', external_id,
        'payment', 'pay_' || n, 'key', 'capture:pay_' || n || ':1', 'amount', 2000, 'currency', 'JPY', 'captured_after', 2000))),
    at + interval '1 day', at + interval '1 day', at + interval '1 day', at::date + 1, 1, 'plan'
  FROM made WHERE sent ORDER BY n;
INSERT INTO facts (subject_id, key, class, kind, version, body, happened_at, told_at, recorded_at, business_date, policy_id, actor)
  SELECT id, 'outcome:capture:pay_' || n || ':1', 'outcome', 'outcome', 1,
    jsonb_build_object('intent', 'capture:pay_' || n || ':1', 'verdict', 'done', 'id', 'capt_' || n, 'code', NULL, 'message', ''),
    at + interval '1 day', at + interval '1 day', at + interval '1 day', at::date + 1, NULL, 'shop'
  FROM made WHERE sent ORDER BY n;
INSERT INTO heads (subject_id, kind, series, hash, version, n, asked_at, answered_at) SELECT id, 'order', '', '\x00', n, 1, at, at FROM made;
INSERT INTO personal (subject_id, version, body, stored_at)
  SELECT id, 1, jsonb_build_object('buyer', party, 'ship_to', jsonb_build_object('1', party), 'remarks', ''), at
  FROM made, (VALUES ('{"name": "山田 太郎", "company": "", "country": "JP", "postal_code": "100-0001", "region": "東京都", "city": "千代田区", "address1": "1-1", "address2": "", "phone": "", "email": ""}'::jsonb)) AS v (party);

INSERT INTO demands (subject_id, group_key, line_key, item_id, wanted, shipped, promised_at, ordered_at)
  SELECT id, '1', 'line_1', item, 2, CASE WHEN sent THEN 2 ELSE 0 END, at, at FROM made ORDER BY n;
INSERT INTO shipments (reference, subject_id, account_id, location_id, state, release_at)
  SELECT number || '-S1', id, 2, 1, 'shipped', at FROM made WHERE sent ORDER BY n;
INSERT INTO shipment_demands (shipment_id, demand_id, qty)
  SELECT n, n, 2 FROM made WHERE sent;
INSERT INTO stock_entries (item_id, location_id, cause, qty, effective_at, recorded_at)
  SELECT item, 1, 'parcel:' || number || '-S1:1:1', -2, at + interval '1 day', at + interval '1 day' FROM made WHERE sent;
INSERT INTO tenders (subject_id, n, method, currency, amount, capture_ceiling, intended_capture)
  SELECT id, 0, 'card', 'JPY', 2000, 2000, CASE WHEN sent THEN 2000 ELSE 0 END FROM made;
INSERT INTO revenue_events (subject_id, key, business_date, channel_id, payment, currency, tax_rate_bp, rounding, gross, tax)
  SELECT id, 'revenue:1', at::date + 1, 1, 'card', 'JPY', 1000, false, 2000, 182 FROM made WHERE sent ORDER BY n;
DROP TABLE made;
RESET session_replication_role;
ANALYZE;
