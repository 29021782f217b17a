-- Orders that their channel did not show when they were read by id. A row stays once the order is shown again, with no
-- misses; one with none from the start is older than what the channel shows. `n` numbers the facts.
CREATE TABLE presence (
  subject_id bigint PRIMARY KEY REFERENCES subjects,
  account_id smallint NOT NULL REFERENCES accounts,
  misses smallint NOT NULL CHECK (misses BETWEEN 0 AND 2),
  -- When the first look of the row of misses was asked for.
  since timestamptz NOT NULL,
  -- When the last look that found nothing was asked for.
  asked_at timestamptz NOT NULL,
  n int NOT NULL,
  -- An operator has said that it is gone.
  believed bool NOT NULL DEFAULT false
);
CREATE INDEX presence_absent ON presence (account_id, since) WHERE misses > 0;

-- When an order was last shown by its channel, or looked for by its id in vain.
CREATE FUNCTION hk_looked_at(bigint) RETURNS timestamptz STABLE LANGUAGE sql AS
$$ SELECT greatest((SELECT asked_at FROM heads WHERE subject_id = $1 AND kind = 'order' AND series = ''),
     (SELECT asked_at FROM presence WHERE subject_id = $1)) $$;

-- Accounts that do not show many of their open orders at once: what is wrong is rather the account.
CREATE TABLE absence_alarms (
  account_id smallint PRIMARY KEY REFERENCES accounts,
  since timestamptz NOT NULL
);

-- Accounts whose orders cannot be read by id for now: asked again later each time.
CREATE TABLE read_failures (
  account_id smallint PRIMARY KEY REFERENCES accounts,
  fails smallint NOT NULL,
  since timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  error text NOT NULL
);

-- Since when the shipment's batch could be sealed but for a look at its order.
ALTER TABLE shipments ADD COLUMN unread_since timestamptz;
-- When the orders of an open batch were last gone through for those that are to be read again.
ALTER TABLE batches ADD COLUMN rechecked_at timestamptz;
