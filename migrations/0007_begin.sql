-- Channels that hikiate acts for. A channel without a row, or with one that was stopped, is only read, planned and
-- reserved for.
CREATE TABLE channel_begins (
  account_id smallint PRIMARY KEY REFERENCES accounts,
  -- The configuration says that it counts as begun for all time.
  always bool NOT NULL DEFAULT false,
  begun_at timestamptz,
  -- Orders placed at or after this are ours.
  from_at timestamptz,
  left_until timestamptz,
  -- Orders stored by then were handled before channels had a beginning: ours, whenever they were placed.
  known_at timestamptz,
  actor text,
  reason text,
  stopped_at timestamptz,
  stopped_by text,
  stopped_why text,
  CHECK ((begun_at IS NULL) = (from_at IS NULL)),
  CHECK (begun_at IS NOT NULL OR stopped_at IS NULL)
);

CREATE FUNCTION hk_acts(channel smallint) RETURNS bool STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN EXISTS (SELECT FROM channel_begins b WHERE b.account_id = channel AND (b.always OR (b.begun_at IS NOT NULL AND b.stopped_at IS NULL))); END $$;

-- No channel was stopped: what is queued may go out without looking at whose it is.
CREATE FUNCTION hk_all_act() RETURNS bool STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN NOT EXISTS (SELECT FROM channel_begins b WHERE NOT b.always AND (b.begun_at IS NULL OR b.stopped_at IS NOT NULL)); END $$;

-- An order whose channel does not act.
CREATE FUNCTION hk_waits(subject bigint) RETURNS bool STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN EXISTS (SELECT FROM subjects o WHERE o.id = subject AND o.kind = 'order' AND NOT hk_acts(o.account_id)); END $$;

-- Channels of a database that has orders are at work already, since their first automation.
INSERT INTO channel_begins (account_id, begun_at, from_at, known_at, actor, reason)
SELECT a.id, hk_now(), coalesce((SELECT min(e.active_from) FROM rule_epochs e WHERE e.account_id = a.id), (SELECT min(e.active_from) FROM rule_epochs e), '1970-01-01 00:00:00+00'),
  hk_now(), 'migrate', 'at work before channels had a beginning'
FROM accounts a WHERE EXISTS (SELECT FROM subjects s WHERE s.account_id = a.id AND s.kind = 'order')
  OR (EXISTS (SELECT FROM subjects s WHERE s.kind = 'order') AND EXISTS (SELECT FROM rule_epochs e WHERE e.account_id = a.id AND e.rule = 'notice'));

-- Demand of channels that have not begun comes after all other.
ALTER TABLE demands ADD COLUMN behind bool NOT NULL DEFAULT false;
CREATE INDEX demands_unmet_ranked ON demands (item_id, behind, promised_at, ordered_at, id) WHERE wanted > shipped + reserved;
DROP INDEX demands_unmet;

-- A shipment that another system instructed keeps that system's reference.
ALTER TABLE shipments DROP CONSTRAINT shipments_reference_check;
ALTER TABLE shipments ADD CONSTRAINT shipments_reference_check CHECK (length(reference) <= 60);
