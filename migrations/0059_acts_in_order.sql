-- The daemon logs what operators typed since it looked last.
CREATE INDEX operator_acts_at ON operator_acts (at, id);
