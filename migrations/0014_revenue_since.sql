-- When revenue was recorded: a rule that begins anew compares with what was recorded since, not with what is over.
-- What is there counts as recorded under the rule that holds now.
ALTER TABLE revenue_events ADD COLUMN recorded_at timestamptz NOT NULL DEFAULT hk_now();
