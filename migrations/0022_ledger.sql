-- Money as reported: what captures are bound by is written from the facts themselves, never by a plan; revenue knows
-- what it is, by what it is taxed and who pays.

-- Nothing may be recorded between what is read here and the trigger; plans in hand end first.
LOCK TABLE facts IN SHARE ROW EXCLUSIVE MODE;
LOCK TABLE tenders IN ACCESS EXCLUSIVE MODE;

-- Per payment of an order: the most that readings ever showed as authorised or captured, and the sum of our captures
-- that were not refused, taken back or undone. Written by a trigger alone.
CREATE TABLE payments (
  subject_id bigint NOT NULL REFERENCES subjects,
  payment text NOT NULL,
  ceiling bigint NOT NULL DEFAULT 0,
  intended bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (subject_id, payment),
  CONSTRAINT payments_bound CHECK (intended BETWEEN 0 AND ceiling)
);

-- The captures of orders as their facts say: the last outcome that decides counts.
CREATE FUNCTION hk_captures(subjects bigint[]) RETURNS TABLE (subject_id bigint, payment text, intended bigint) STABLE LANGUAGE sql AS
$$ SELECT i.subject_id, i.body #>> '{what,call,payment}',
     sum(coalesce((i.body #>> '{what,call,amount}')::bigint, (i.body #>> '{what,call,captured_after}')::bigint))::bigint
   FROM facts i
   LEFT JOIN LATERAL (
     SELECT o.body ->> 'verdict' AS verdict FROM facts o
     WHERE o.subject_id = i.subject_id AND o.kind = 'outcome' AND o.body ->> 'intent' = i.key AND o.body ->> 'verdict' <> 'evidence'
     ORDER BY o.id DESC LIMIT 1) AS last ON true
   WHERE i.subject_id = ANY (subjects) AND i.kind = 'intent' AND i.body #>> '{what,call,op}' = 'capture'
     AND coalesce(last.verdict, '') NOT IN ('refused', 'withdrawn', 'not_done')
   GROUP BY 1, 2 $$;

CREATE FUNCTION hk_payments() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  moved bigint[];
BEGIN
  IF EXISTS (SELECT FROM new_facts WHERE kind = 'order') THEN
    INSERT INTO payments (subject_id, payment, ceiling)
    SELECT f.subject_id, t ->> 'key', max(greatest((t ->> 'authorised')::bigint, (t ->> 'captured')::bigint, 0))
    FROM new_facts f, jsonb_array_elements(f.body #> '{order,tenders}') AS t WHERE f.kind = 'order' GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (subject_id, payment) DO UPDATE SET ceiling = excluded.ceiling WHERE payments.ceiling < excluded.ceiling;
  END IF;
  SELECT array_agg(DISTINCT f.subject_id) INTO moved FROM new_facts f
  WHERE (f.kind = 'intent' AND f.body #>> '{what,call,op}' = 'capture') OR (f.kind = 'outcome' AND f.body ->> 'intent' LIKE 'capture:%');
  IF moved IS NOT NULL THEN
    INSERT INTO payments (subject_id, payment, intended) SELECT c.subject_id, c.payment, c.intended FROM hk_captures(moved) c
    WHERE NOT EXISTS (SELECT FROM payments p WHERE p.subject_id = c.subject_id AND p.payment = c.payment);
    UPDATE payments p SET intended = coalesce((SELECT c.intended FROM hk_captures(moved) c WHERE c.subject_id = p.subject_id AND c.payment = p.payment), 0)
    WHERE p.subject_id = ANY (moved);
  END IF;
  RETURN NULL;
END $$;

INSERT INTO payments (subject_id, payment, ceiling)
SELECT f.subject_id, t ->> 'key', max(greatest((t ->> 'authorised')::bigint, (t ->> 'captured')::bigint, 0))
FROM facts f, jsonb_array_elements(f.body #> '{order,tenders}') AS t WHERE f.kind = 'order' GROUP BY 1, 2;
-- What was decided before stands, also where a later reading no longer showed what it was bound by.
INSERT INTO payments (subject_id, payment, ceiling, intended)
SELECT c.subject_id, c.payment, c.intended, c.intended FROM hk_captures((SELECT array_agg(id) FROM subjects WHERE kind = 'order')) c
ON CONFLICT (subject_id, payment) DO UPDATE SET intended = excluded.intended, ceiling = greatest(payments.ceiling, excluded.intended);
CREATE TRIGGER payments AFTER INSERT ON facts REFERENCING NEW TABLE AS new_facts FOR EACH STATEMENT EXECUTE FUNCTION hk_payments();
DROP TABLE tenders;

ALTER TABLE revenue_events ADD COLUMN kind text NOT NULL DEFAULT 'sales' CHECK (kind IN ('sales', 'returns', 'rounding'));
UPDATE revenue_events SET kind = 'rounding' WHERE rounding;
ALTER TABLE revenue_events DROP COLUMN rounding;
-- NULL in rows of before, which told countries and payers not apart.
ALTER TABLE revenue_events ADD COLUMN tax_country text;
ALTER TABLE revenue_events ADD COLUMN tax_class text;
-- An amount without lines was spread over the rates to find it.
ALTER TABLE revenue_events ADD COLUMN derived bool NOT NULL DEFAULT false;
-- The fact that it rests on; NULL in rows of before.
ALTER TABLE revenue_events ADD COLUMN step bigint;
