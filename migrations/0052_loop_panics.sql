-- Rounds of a daemon's loop that panicked: a task until the loop has gone an hour without another one.
CREATE TABLE loop_panics (
  loop text PRIMARY KEY,
  first_at timestamptz NOT NULL,
  last_at timestamptz NOT NULL,
  times integer NOT NULL CHECK (times > 0),
  why text NOT NULL
);
