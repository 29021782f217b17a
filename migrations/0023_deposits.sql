-- Deposits of their own: what came, whatever it is matched to, and what the books are told of it.

CREATE TABLE deposits (
  subject_id bigint PRIMARY KEY REFERENCES subjects,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  amount bigint NOT NULL CHECK (amount > 0),
  received_on date NOT NULL,
  voided_at timestamptz,
  void_reason text,
  CHECK ((voided_at IS NULL) = (void_reason IS NULL))
);

-- Deposits of before were matched whole when they were added.
INSERT INTO deposits (subject_id, currency, amount, received_on)
SELECT m.deposit_id, min(f.body ->> 'currency'), sum(m.amount)::bigint, min(f.business_date)
FROM deposit_matches m JOIN subjects s ON s.id = m.deposit_id JOIN accounts a ON a.id = s.account_id
  JOIN facts f ON f.subject_id = m.order_id AND f.key = 'deposit:' || a.slug || ':' || s.external_id
GROUP BY m.deposit_id;

CREATE INDEX deposit_matches_order ON deposit_matches (order_id);

-- What the journal is to say of a deposit. Each row is one entry: received (bank to suspense), voided (the other way round), matched
-- (suspense to receivable), unmatched (the other way round), rest (what the tolerance leaves, receivable to its title where above zero).
CREATE TABLE deposit_postings (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key text NOT NULL UNIQUE,
  kind text NOT NULL CHECK (kind IN ('received', 'voided', 'matched', 'unmatched', 'rest')),
  deposit_id bigint REFERENCES subjects,
  order_id bigint REFERENCES subjects,
  channel_id smallint NOT NULL REFERENCES accounts,
  business_date date NOT NULL,
  currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  amount bigint NOT NULL CHECK (amount > 0 OR (kind = 'rest' AND amount <> 0)),
  batch_id bigint REFERENCES batches,
  retry_at timestamptz,
  -- The layout's words, where it forbids the entry.
  refused text,
  recorded_at timestamptz NOT NULL DEFAULT hk_now(),
  CHECK ((deposit_id IS NULL) = (kind = 'rest') AND (order_id IS NULL) = (kind IN ('received', 'voided')))
);
CREATE INDEX deposit_postings_open ON deposit_postings (business_date, id) WHERE batch_id IS NULL;
CREATE INDEX deposit_postings_batch ON deposit_postings (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX deposit_postings_order ON deposit_postings (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX deposit_postings_deposit ON deposit_postings (deposit_id) WHERE deposit_id IS NOT NULL;

-- Postings up to this one wait as revenue up to books_upto does.
ALTER TABLE recovery ADD COLUMN deposits_upto bigint;
