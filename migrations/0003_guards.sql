-- Guards: rules that pause themselves, and orders that end the process that plans them.

-- The newest fact that a committed plan has seen. What is newer, and not ours, is news. Orders that were planned
-- before this column existed have no news; those that are due with news keep it.
DO $$ BEGIN
  EXECUTE format('ALTER TABLE subjects ADD COLUMN planned_fact bigint NOT NULL DEFAULT %s', (SELECT coalesce(max(id), 0) FROM facts));
END $$;
ALTER TABLE subjects ALTER COLUMN planned_fact SET DEFAULT 0;
UPDATE subjects SET planned_fact = 0 WHERE plan_at IS NOT NULL AND plan_class = 0 AND planned_fact > 0;

-- Effects that a rule made without news of their orders, in the minute that began at `since`. Locked after the
-- subjects. `allowed` are effects that a person let through beyond the limit.
CREATE TABLE rule_bursts (
  rule text NOT NULL,
  account_id smallint NOT NULL REFERENCES accounts,
  since timestamptz NOT NULL,
  made int NOT NULL DEFAULT 0 CHECK (made >= 0),
  allowed int NOT NULL DEFAULT 0 CHECK (allowed >= 0),
  paused_at timestamptz,
  reason text,
  resumed_at timestamptz,
  resumed_by text,
  PRIMARY KEY (rule, account_id),
  CHECK ((paused_at IS NULL) = (reason IS NULL))
);

-- Orders that a paused rule would have acted on; they are planned again when it is resumed.
CREATE TABLE rule_waits (
  rule text NOT NULL,
  account_id smallint NOT NULL REFERENCES accounts,
  subject_id bigint NOT NULL REFERENCES subjects,
  PRIMARY KEY (rule, account_id, subject_id)
);

-- Orders that a process is planning: committed before, deleted by the plan's own commit. A row whose orders can be
-- locked was left by a process that died while it planned them.
CREATE TABLE planning (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  process text NOT NULL,
  ids bigint[] NOT NULL,
  at timestamptz NOT NULL
);

-- Orders that were in such a row: planned alone, not before `not_before`. `deaths` counts those they were alone in.
CREATE TABLE plan_suspects (
  subject_id bigint PRIMARY KEY REFERENCES subjects,
  deaths smallint NOT NULL DEFAULT 0,
  not_before timestamptz NOT NULL
);
