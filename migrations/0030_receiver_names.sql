-- Names that operators wrote over the channel's, in which a layout can write them. One lies over the version of the personal
-- row that it was written for, and goes when that row goes; it counts until the channel tells another name.
CREATE TABLE receiver_names (
  subject_id bigint NOT NULL,
  group_key text NOT NULL,
  version int NOT NULL,
  name text NOT NULL,
  company text,
  stored_at timestamptz NOT NULL,
  PRIMARY KEY (subject_id, group_key),
  FOREIGN KEY (subject_id, version) REFERENCES personal (subject_id, version) ON DELETE CASCADE
);
