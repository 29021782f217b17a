-- Since when an account's credentials are refused. A pause that comes again soon after the last one ended is the same one.
ALTER TABLE accounts ADD COLUMN paused_since timestamptz, ADD COLUMN paused_until timestamptz;
UPDATE accounts SET paused_since = hk_now(), paused_until = resume_at WHERE paused IS NOT NULL;
