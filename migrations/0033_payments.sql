-- Payments at other accounts than the channel's: each finds its order by a name, whichever comes first.

-- Names by which orders know their payments. Several orders may claim one: then nobody can say whose it is.
CREATE TABLE payment_names (
  account_id smallint NOT NULL REFERENCES accounts,
  kind text NOT NULL CHECK (kind IN ('key', 'reference')),
  name text NOT NULL,
  subject_id bigint NOT NULL REFERENCES subjects,
  -- The order knew the payment by reference alone.
  learnt boolean NOT NULL,
  -- The order is not cancelled at its channel.
  live boolean NOT NULL,
  PRIMARY KEY (account_id, kind, name, subject_id)
);
CREATE INDEX payment_names_subject ON payment_names (subject_id);

-- Payments that fit no order, or several: of other shops that use the account, or of an order that is still to come. The
-- last reading of each, until it is 35 days old. No personal data.
CREATE TABLE stray_payments (
  account_id smallint NOT NULL REFERENCES accounts,
  key text NOT NULL,
  reference text,
  version bigint,
  body jsonb NOT NULL,
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (account_id, key)
);
CREATE INDEX stray_payments_reference ON stray_payments (account_id, reference) WHERE reference IS NOT NULL;
CREATE INDEX stray_payments_seen ON stray_payments (seen_at);

-- A capture at another account is bound by what that account reported, whatever the channel shows: its row is named by
-- account and the account's id of the payment.
CREATE OR REPLACE FUNCTION hk_captures(subjects bigint[]) RETURNS TABLE (subject_id bigint, payment text, intended bigint) STABLE LANGUAGE sql AS
$$ SELECT i.subject_id,
     coalesce((i.body ->> 'account') || '/' || (i.body #>> '{what,call,provider,key}'), i.body #>> '{what,call,payment}'),
     sum(coalesce((i.body #>> '{what,call,amount}')::bigint, (i.body #>> '{what,call,captured_after}')::bigint))::bigint
   FROM facts i
   LEFT JOIN LATERAL (
     SELECT o.body ->> 'verdict' AS verdict FROM facts o
     WHERE o.subject_id = i.subject_id AND o.kind = 'outcome' AND o.body ->> 'intent' = i.key AND o.body ->> 'verdict' <> 'evidence'
     ORDER BY o.id DESC LIMIT 1) AS last ON true
   WHERE i.subject_id = ANY (subjects) AND i.kind = 'intent' AND i.body #>> '{what,call,op}' = 'capture'
     AND coalesce(last.verdict, '') NOT IN ('refused', 'withdrawn', 'not_done')
   GROUP BY 1, 2 $$;

CREATE OR REPLACE FUNCTION hk_payments() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  moved bigint[];
BEGIN
  IF EXISTS (SELECT FROM new_facts WHERE kind IN ('order', 'payment')) THEN
    INSERT INTO payments (subject_id, payment, ceiling)
    SELECT shown.subject_id, shown.payment, max(shown.ceiling) FROM (
      SELECT f.subject_id, t ->> 'key' AS payment, greatest((t ->> 'authorised')::bigint, (t ->> 'captured')::bigint, 0) AS ceiling
      FROM new_facts f, jsonb_array_elements(f.body #> '{order,tenders}') AS t WHERE f.kind = 'order'
      UNION ALL
      SELECT f.subject_id, (f.body ->> 'account') || '/' || (f.body #>> '{payment,key}'),
        greatest((f.body #>> '{payment,authorised}')::bigint, (f.body #>> '{payment,captured}')::bigint, 0)
      FROM new_facts f WHERE f.kind = 'payment') AS shown
    GROUP BY 1, 2 ORDER BY 1, 2
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
