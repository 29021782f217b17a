-- What external systems said of an order, without which its facts name nobody. It goes with the order's address.
CREATE TABLE fact_words (
  subject_id bigint NOT NULL,
  key text NOT NULL,
  words text NOT NULL,
  PRIMARY KEY (subject_id, key),
  FOREIGN KEY (subject_id, key) REFERENCES facts (subject_id, key)
);

-- The places in which facts of before, and those of a daemon of before that runs beside, have such words themselves.
CREATE FUNCTION hk_forget_words(subjects bigint[], kinds text[]) RETURNS void LANGUAGE sql AS $$
  DELETE FROM fact_words w USING facts f WHERE w.subject_id = ANY(subjects) AND f.subject_id = w.subject_id AND f.key = w.key AND f.kind = ANY(kinds);
  UPDATE facts SET body = jsonb_set(body, CASE kind WHEN 'member' THEN '{state,message}' ELSE '{message}' END::text[], '""')
  WHERE subject_id = ANY(subjects) AND kind = ANY(kinds)
    AND CASE kind
      WHEN 'reply' THEN body ->> 'message' <> ''
      WHEN 'cancel_reply' THEN body ->> 'message' <> ''
      WHEN 'member' THEN body #>> '{state,is}' = 'refused' AND body #>> '{state,message}' NOT LIKE '%“…”%'
      WHEN 'outcome' THEN body ->> 'verdict' IN ('refused', 'unknown', 'evidence') AND body ->> 'message' NOT LIKE '%“…”%'
    END $$;

-- Orders that are purged already.
SELECT hk_forget_words(ARRAY(SELECT id FROM subjects WHERE purged_at IS NOT NULL), '{reply,cancel_reply,outcome,member}');
SELECT hk_forget_words(ARRAY(SELECT subject_id FROM batches WHERE purged_at IS NOT NULL), '{outcome}');

-- A text without what it quotes of somebody else's record.
CREATE FUNCTION hk_without_quotes(said text) RETURNS text IMMUTABLE LANGUAGE sql AS $$
  SELECT regexp_replace(said, '“[^”]*(”|$)', '“…”', 'g') $$;
