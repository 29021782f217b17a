-- The version of the fact that a head was hashed from: a body that gained fields since then is no new observation.
ALTER TABLE heads ADD COLUMN fact_version smallint NOT NULL DEFAULT 1;
