-- Calls of an account on a day of its external system, by class of budget: counted ahead in blocks by the process that owns the
-- account, so that a restart or another process goes on where the last one was.

CREATE TABLE budget_days (
  account_id smallint NOT NULL REFERENCES accounts (id),
  class text NOT NULL,
  day date NOT NULL,
  used bigint NOT NULL CHECK (used >= 0),
  PRIMARY KEY (account_id, class, day)
);
