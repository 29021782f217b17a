-- The outcome is to be asked for before anything is sent again.
ALTER TABLE effects ADD COLUMN look bool NOT NULL DEFAULT false;
-- Start of the earliest window that was ever lost: from then on a call of an older order may have been sent first.
ALTER TABLE recovery ADD COLUMN lost_first timestamptz;
UPDATE recovery SET lost_first = lost_since;
