-- What settles a task, as data: commands with their arguments. An older binary writes none.
ALTER TABLE tasks ADD COLUMN actions jsonb NOT NULL DEFAULT '[]';
-- Tasks of before say what to type in their text: their subjects are planned again, behind all news.
UPDATE subjects s SET plan_at = hk_now(), plan_class = 2
WHERE (s.plan_at IS NULL OR s.plan_class = 1) AND s.plan_fails = 0
  AND EXISTS (SELECT FROM tasks k WHERE k.subject_id = s.id AND k.kind <> 'plan_failed');
-- What a person said of a call whose outcome was unknown, by the row that has left the queue: said again otherwise, it
-- is corrected while nothing rests on it.
CREATE TABLE resolutions (
  effect_id bigint PRIMARY KEY,
  intent_id bigint NOT NULL REFERENCES facts,
  outcome_id bigint NOT NULL REFERENCES facts
);
