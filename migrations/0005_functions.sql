-- The same two functions, kept planned by each session: an SQL function that reads a table is parsed and planned anew
-- in every statement that calls it, which is most of what a statement on a few rows costs.

CREATE OR REPLACE FUNCTION hk_now() RETURNS timestamptz STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN coalesce((SELECT coalesce(fixed_at, clock_timestamp()) + shift FROM clock), clock_timestamp()); END $$;

CREATE OR REPLACE FUNCTION hk_stopped() RETURNS bool STABLE LANGUAGE plpgsql AS
$$ BEGIN RETURN (SELECT phase <> 'none' FROM recovery); END $$;
