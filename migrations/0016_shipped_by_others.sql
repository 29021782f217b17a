-- Items of what shipped that others shipped. When they take theirs back as ours leave, the sum stands still and the
-- reservations do not.
ALTER TABLE demands ADD COLUMN by_others int NOT NULL DEFAULT 0 CHECK (by_others >= 0);
