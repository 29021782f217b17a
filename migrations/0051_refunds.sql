-- Refunds that we decide, bound by what was read of each payment: never by a plan, and never what is read.

-- Nothing may be recorded between what is read here and the trigger; plans in hand end first.
LOCK TABLE facts IN SHARE ROW EXCLUSIVE MODE;

-- `captured` is the most that a reading ever showed. `to_refund` is the sum of our refunds that were not refused, taken back or
-- undone. `refund_bound` is what could be given back when the last of them was decided: what was captured, less what others had
-- given back. Written by the trigger alone, so that only a decision can break the constraint.
ALTER TABLE payments
  ADD COLUMN captured bigint NOT NULL DEFAULT 0,
  ADD COLUMN to_refund bigint NOT NULL DEFAULT 0,
  ADD COLUMN refund_bound bigint NOT NULL DEFAULT 0,
  ADD CONSTRAINT payments_refund_bound CHECK (to_refund BETWEEN 0 AND refund_bound);

-- The refunds of orders as their facts say: the last outcome that decides counts.
CREATE FUNCTION hk_refunds(subjects bigint[]) RETURNS TABLE (subject_id bigint, payment text, fact bigint, amount bigint) STABLE LANGUAGE sql AS
$$ SELECT i.subject_id,
     coalesce((i.body ->> 'account') || '/' || (i.body #>> '{what,call,provider,key}'), i.body #>> '{what,call,payment}'),
     i.id, (i.body #>> '{what,call,amount}')::bigint
   FROM facts i
   LEFT JOIN LATERAL (
     SELECT o.body ->> 'verdict' AS verdict FROM facts o
     WHERE o.subject_id = i.subject_id AND o.kind = 'outcome' AND o.body ->> 'intent' = i.key AND o.body ->> 'verdict' <> 'evidence'
     ORDER BY o.id DESC LIMIT 1) AS last ON true
   WHERE i.subject_id = ANY (subjects) AND i.kind = 'intent' AND i.body #>> '{what,call,op}' = 'refund'
     AND coalesce(last.verdict, '') NOT IN ('refused', 'withdrawn', 'not_done') $$;

-- What others gave back of a payment: the most that a reading showed beyond our refunds that were decided before it.
CREATE FUNCTION hk_refunded_by_others(subject bigint, named text) RETURNS bigint STABLE LANGUAGE sql AS
$$ SELECT greatest(0, max(shown.refunded - coalesce((
     SELECT sum(r.amount) FROM hk_refunds(ARRAY[subject]) r WHERE r.payment = named AND r.fact < shown.id), 0)))::bigint
   FROM (
     SELECT f.id, (t ->> 'refunded')::bigint AS refunded FROM facts f, jsonb_array_elements(f.body #> '{order,tenders}') AS t
     WHERE f.subject_id = subject AND f.kind = 'order' AND t ->> 'key' = named
     UNION ALL
     SELECT f.id, (f.body #>> '{payment,refunded}')::bigint FROM facts f
     WHERE f.subject_id = subject AND f.kind = 'payment' AND (f.body ->> 'account') || '/' || (f.body #>> '{payment,key}') = named) AS shown $$;

CREATE OR REPLACE FUNCTION hk_payments() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  moved bigint[];
BEGIN
  IF EXISTS (SELECT FROM new_facts WHERE kind IN ('order', 'payment')) THEN
    INSERT INTO payments (subject_id, payment, ceiling, captured)
    SELECT shown.subject_id, shown.payment, max(greatest(shown.authorised, shown.captured, 0)), max(greatest(shown.captured, 0)) FROM (
      SELECT f.subject_id, t ->> 'key' AS payment, (t ->> 'authorised')::bigint AS authorised, (t ->> 'captured')::bigint AS captured
      FROM new_facts f, jsonb_array_elements(f.body #> '{order,tenders}') AS t WHERE f.kind = 'order'
      UNION ALL
      SELECT f.subject_id, (f.body ->> 'account') || '/' || (f.body #>> '{payment,key}'),
        (f.body #>> '{payment,authorised}')::bigint, (f.body #>> '{payment,captured}')::bigint
      FROM new_facts f WHERE f.kind = 'payment') AS shown
    GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (subject_id, payment) DO UPDATE
      SET ceiling = greatest(payments.ceiling, excluded.ceiling), captured = greatest(payments.captured, excluded.captured)
      WHERE payments.ceiling < excluded.ceiling OR payments.captured < excluded.captured;
  END IF;
  SELECT array_agg(DISTINCT f.subject_id) INTO moved FROM new_facts f
  WHERE (f.kind = 'intent' AND f.body #>> '{what,call,op}' = 'capture') OR (f.kind = 'outcome' AND f.body ->> 'intent' LIKE 'capture:%');
  IF moved IS NOT NULL THEN
    INSERT INTO payments (subject_id, payment, intended) SELECT c.subject_id, c.payment, c.intended FROM hk_captures(moved) c
    WHERE NOT EXISTS (SELECT FROM payments p WHERE p.subject_id = c.subject_id AND p.payment = c.payment);
    UPDATE payments p SET intended = coalesce((SELECT c.intended FROM hk_captures(moved) c WHERE c.subject_id = p.subject_id AND c.payment = p.payment), 0)
    WHERE p.subject_id = ANY (moved);
  END IF;
  -- What became of refunds that were decided is stored, whatever it comes to.
  SELECT array_agg(DISTINCT f.subject_id) INTO moved FROM new_facts f WHERE f.kind = 'outcome' AND f.body ->> 'intent' LIKE 'refund:%';
  IF moved IS NOT NULL THEN
    UPDATE payments p SET to_refund = r.amount, refund_bound = greatest(p.refund_bound, r.amount)
    FROM (SELECT q.subject_id, q.payment, coalesce(sum(r.amount), 0)::bigint AS amount FROM payments q
      LEFT JOIN hk_refunds(moved) r ON r.subject_id = q.subject_id AND r.payment = q.payment
      WHERE q.subject_id = ANY (moved) GROUP BY 1, 2) AS r
    WHERE p.subject_id = r.subject_id AND p.payment = r.payment;
  END IF;
  SELECT array_agg(DISTINCT f.subject_id) INTO moved FROM new_facts f WHERE f.kind = 'intent' AND f.body #>> '{what,call,op}' = 'refund';
  IF moved IS NOT NULL THEN
    INSERT INTO payments (subject_id, payment, to_refund, refund_bound)
    SELECT r.subject_id, r.payment, sum(r.amount), greatest(0, coalesce((
      SELECT p.captured FROM payments p WHERE p.subject_id = r.subject_id AND p.payment = r.payment), 0) - coalesce(hk_refunded_by_others(r.subject_id, r.payment), 0))
    FROM hk_refunds(moved) r
    WHERE (r.subject_id, r.payment) IN (SELECT n.subject_id, n.payment FROM hk_refunds(moved) n JOIN new_facts f ON f.id = n.fact)
    GROUP BY 1, 2
    ON CONFLICT (subject_id, payment) DO UPDATE SET to_refund = excluded.to_refund, refund_bound = excluded.refund_bound;
  END IF;
  RETURN NULL;
END $$;

UPDATE payments p SET captured = shown.captured FROM (
  SELECT all_shown.subject_id, all_shown.payment, max(greatest(all_shown.captured, 0)) AS captured FROM (
    SELECT f.subject_id, t ->> 'key' AS payment, (t ->> 'captured')::bigint AS captured
    FROM facts f, jsonb_array_elements(f.body #> '{order,tenders}') AS t WHERE f.kind = 'order'
    UNION ALL
    SELECT f.subject_id, (f.body ->> 'account') || '/' || (f.body #>> '{payment,key}'), (f.body #>> '{payment,captured}')::bigint
    FROM facts f WHERE f.kind = 'payment') AS all_shown
  GROUP BY 1, 2) AS shown
WHERE p.subject_id = shown.subject_id AND p.payment = shown.payment;
