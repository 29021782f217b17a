-- What external systems said of an order, without which its facts name nobody. It goes with the order's address.
CREATE TABLE fact_words (
  subject_id bigint NOT NULL,
  key text NOT NULL,
  words text NOT NULL,
  PRIMARY KEY (subject_id, key),
  FOREIGN KEY (subject_id, key) REFERENCES facts (subject_id, key)
);

-- Deletes them, also from facts that were stored before: their messages mix our words with those of others and go altogether, and so does
-- a code that is a sentence. Outcomes and members of version 2 have others' words beside them. Returns how many facts had some.
CREATE FUNCTION hk_forget_words(subjects bigint[], kinds text[]) RETURNS bigint LANGUAGE sql AS $$
  WITH beside AS (
    DELETE FROM fact_words w USING facts f
    WHERE w.subject_id = ANY(subjects) AND f.subject_id = w.subject_id AND f.key = w.key AND f.kind = ANY(kinds) RETURNING f.id),
  inside AS (
    UPDATE facts SET body = jsonb_set(body, CASE kind WHEN 'member' THEN '{state,message}' ELSE '{message}' END::text[], '""')
      || CASE WHEN body ->> 'code' ~ '[^!-~]' THEN '{"code": null}' ELSE '{}' END::jsonb
    WHERE subject_id = ANY(subjects) AND kind = ANY(kinds)
      AND CASE kind
        WHEN 'reply' THEN body ->> 'message' <> ''
        WHEN 'cancel_reply' THEN body ->> 'message' <> ''
        WHEN 'member' THEN version = 1 AND body #>> '{state,is}' = 'refused' AND body #>> '{state,message}' <> ''
        WHEN 'outcome' THEN version = 1 AND body ->> 'verdict' IN ('refused', 'unknown', 'evidence')
          AND (body ->> 'message' <> '' OR body ->> 'code' ~ '[^!-~]')
      END RETURNING id)
  SELECT (SELECT count(*) FROM beside) + (SELECT count(*) FROM inside) $$;

-- Of orders. Their tasks repeat such words until they are planned again.
CREATE FUNCTION hk_forget_words_of_orders(orders bigint[]) RETURNS bigint LANGUAGE sql AS $$
  UPDATE tasks SET detail = 'Personal data was deleted, and the text of this task with it; the next plan of the order writes it anew' WHERE subject_id = ANY(orders);
  UPDATE subjects s SET plan_at = (SELECT hk_now()), plan_class = CASE WHEN plan_class = 0 AND plan_at IS NOT NULL THEN 0 ELSE 1 END
  WHERE id = ANY(orders) AND EXISTS (SELECT FROM tasks t WHERE t.subject_id = s.id);
  SELECT hk_forget_words(orders, '{reply,cancel_reply,outcome,member}') $$;

-- Of waves, also where an order in one was told.
CREATE FUNCTION hk_forget_words_of_waves(waves bigint[]) RETURNS bigint LANGUAGE sql AS $$
  SELECT hk_forget_words(waves, '{outcome}')
    + hk_forget_words(ARRAY(SELECT subject_id FROM shipments WHERE batch_id = ANY(waves)), '{member}') $$;

-- The reason of a record in quarantine without the values that it quotes, in today's marks and in those of before.
CREATE FUNCTION hk_without_values(reason text) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT regexp_replace(regexp_replace(reason, '“[^”]*(”|$)', '“…”', 'g'), '"[^"]*("|$)', '“…”', 'g') $$;

-- What is purged already.
SELECT hk_forget_words_of_orders(ARRAY(SELECT id FROM subjects WHERE purged_at IS NOT NULL));
SELECT hk_forget_words_of_waves(ARRAY(SELECT subject_id FROM batches WHERE purged_at IS NOT NULL));
UPDATE quarantine SET reason = hk_without_values(reason), cause = hk_without_values(cause) WHERE raw = '';

-- A binary that does not know the table would purge an order and leave it.
UPDATE gate SET min_code = 11;
