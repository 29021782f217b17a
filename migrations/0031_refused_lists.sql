-- When a list of all stock was refused, for the task about it.
ALTER TABLE stock_listings ADD COLUMN refused_at timestamptz;
