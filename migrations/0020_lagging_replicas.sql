-- A later answer that shows an order in an older version: since when, until one shows the known version or a newer one.
ALTER TABLE heads ADD COLUMN contradicted_at timestamptz;
