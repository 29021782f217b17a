-- Orders with goods, as they came: whether their channel showed them fulfilled or completed at once, before anybody
-- here could act. Many of them mean that the shop does it by itself.
CREATE TABLE channel_window (
  subject_id bigint PRIMARY KEY REFERENCES subjects,
  account_id smallint NOT NULL REFERENCES accounts,
  at_once bool NOT NULL
);
CREATE INDEX channel_window_account ON channel_window (account_id, subject_id);

-- Channels that fulfil by themselves; what they say of such orders is not believed until the configuration says so.
CREATE TABLE channel_alarms (
  account_id smallint PRIMARY KEY REFERENCES accounts,
  since timestamptz NOT NULL,
  at_once bigint NOT NULL,
  looked_at bigint NOT NULL
);
