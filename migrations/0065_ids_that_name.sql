-- A body without what others said in it. What was stored before has their words and ours in one; an id of before that is a sentence is the
-- first line of a mail server's reply, which may repeat who the mail is for.
CREATE FUNCTION hk_without_words(kind text, version smallint, body jsonb) RETURNS jsonb IMMUTABLE LANGUAGE sql AS $$
  SELECT CASE
    WHEN kind IN ('reply', 'cancel_reply') THEN jsonb_set(body, '{message}', '""', false)
    WHEN kind = 'member' AND version = 1 AND body #>> '{state,is}' = 'refused' THEN jsonb_set(body, '{state,message}', '""', false)
    WHEN kind = 'outcome' AND version = 1 THEN body
      || CASE WHEN body ->> 'verdict' IN ('refused', 'unknown', 'evidence') AND body ->> 'message' <> '' THEN '{"message": ""}' ELSE '{}' END::jsonb
      || CASE WHEN body ->> 'verdict' IN ('refused', 'unknown', 'evidence') AND body ->> 'code' ~ '[^!-~]' THEN '{"code": null}' ELSE '{}' END::jsonb
      || CASE WHEN body ->> 'id' ~ '[^!-~]|@' THEN '{"id": null}' ELSE '{}' END::jsonb
    ELSE body
  END $$;

-- As before, also such ids; of the named waves only, where some are named.
DROP FUNCTION hk_forget_words(bigint[], text[]);
CREATE FUNCTION hk_forget_words(subjects bigint[], kinds text[], waves text[] DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
  WITH beside AS (
    DELETE FROM fact_words w USING facts f
    WHERE w.subject_id = ANY(subjects) AND f.subject_id = w.subject_id AND f.key = w.key AND f.kind = ANY(kinds)
      AND (waves IS NULL OR f.body ->> 'batch' = ANY(waves)) RETURNING f.id),
  inside AS (
    UPDATE facts SET body = hk_without_words(kind, version, body)
    WHERE subject_id = ANY(subjects) AND kind = ANY(kinds) AND (waves IS NULL OR body ->> 'batch' = ANY(waves))
      AND body <> hk_without_words(kind, version, body) RETURNING id)
  SELECT (SELECT count(*) FROM beside) + (SELECT count(*) FROM inside) $$;

-- Of waves, also where an order in one was told of it. An order may be in more than one, and what was said of another one stays.
CREATE OR REPLACE FUNCTION hk_forget_words_of_waves(waves bigint[]) RETURNS bigint LANGUAGE sql AS $$
  SELECT hk_forget_words(waves, '{outcome}')
    + hk_forget_words(ARRAY(SELECT subject_id FROM shipments WHERE batch_id = ANY(waves)), '{member}',
      ARRAY(SELECT external_id FROM subjects WHERE id = ANY(waves))) $$;

-- Marks of before have a backslash before a quotation mark inside; a cut may have left the backslash alone.
CREATE OR REPLACE FUNCTION hk_without_values(reason text) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT regexp_replace(regexp_replace(reason, '“[^”]*(”|$)', '“…”', 'g'), '"(\\.|[^"\\])*("|\\?$)', '“…”', 'g') $$;

-- Empties records of the quarantine that keep their row. What was taken for an id or a part may be another cell of a shifted row: it goes,
-- unless an order, a shipment, a payment or a count of the account is stored under it.
CREATE FUNCTION hk_empty_records(ids bigint[]) RETURNS bigint LANGUAGE sql AS $$
  WITH emptied AS (
    UPDATE quarantine q SET raw = '', part = NULL, reason = hk_without_values(reason), cause = hk_without_values(cause),
      external_id = CASE WHEN
          EXISTS (SELECT FROM subjects s WHERE s.account_id = q.account_id AND s.kind = 'order' AND s.external_id = q.external_id)
          OR EXISTS (SELECT FROM aliases a WHERE a.account_id = q.account_id AND a.kind = 'shipment' AND a.external_id = q.external_id)
          OR EXISTS (SELECT FROM payment_names n WHERE n.account_id = q.account_id AND n.kind = 'key' AND n.name = q.external_id)
          OR (q.account_id, q.external_id) IN (SELECT l.account_id, k.code FROM stock k JOIN locations l ON l.id = k.location_id)
        THEN q.external_id END
    WHERE q.id = ANY(ids) RETURNING q.id)
  SELECT count(*) FROM emptied $$;

-- What is purged already. Between escaped quotation marks the migration before left what stood there.
UPDATE facts f SET body = hk_without_words(f.kind, f.version, f.body) FROM subjects s
  WHERE s.purged_at IS NOT NULL AND f.subject_id = s.id AND f.kind = 'outcome' AND f.body <> hk_without_words(f.kind, f.version, f.body);
UPDATE quarantine SET reason = regexp_replace(hk_without_values(reason), '“…”.*“…”', '“…”'), cause = regexp_replace(hk_without_values(cause), '“…”.*“…”', '“…”')
  WHERE raw = '';
SELECT hk_empty_records(ARRAY(SELECT id FROM quarantine WHERE raw = '' AND dismissed_at IS NOT NULL));
