-- What settles a task, as data: commands with their arguments. An older binary writes none.
ALTER TABLE tasks ADD COLUMN actions jsonb NOT NULL DEFAULT '[]';
-- Tasks of before say what to type in their text: their subjects are planned again, behind all news.
UPDATE subjects s SET plan_at = hk_now(), plan_class = 2
WHERE (s.plan_at IS NULL OR s.plan_class = 1) AND s.plan_fails = 0
  AND EXISTS (SELECT FROM tasks k WHERE k.subject_id = s.id AND k.kind <> 'plan_failed');
