WITH before AS MATERIALIZED (
  SELECT hash, raw, resolved_at FROM quarantine WHERE account_id = $1 AND stream = $2 AND hash = ANY($6::bytea[])
), kept AS (
INSERT INTO quarantine (account_id, stream, external_id, part, file, hash, raw, reason, cause, first_at, last_at, file_hash, file_read_at, file_rows, reported_at)
SELECT $1, $2, t.e, t.p, t.f, t.h, CASE WHEN p.gone THEN '' ELSE t.r END, CASE WHEN p.gone THEN hk_without_values(t.w) ELSE t.w END, CASE WHEN p.gone THEN hk_without_values(t.c) ELSE t.c END, (SELECT hk_now()), (SELECT hk_now()), t.fh, t.fr, string_to_array(t.rows, ' ')::bigint[],
  coalesce(t.told, (SELECT hk_now()))
FROM unnest($3::text[], $4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::text[], $13::timestamptz[])
  AS t (e, p, f, h, r, w, c, fh, fr, rows, told)
  CROSS JOIN LATERAL (SELECT hk_purged($1, t.e) AS gone) p
ON CONFLICT (account_id, stream, hash) DO UPDATE SET seen = quarantine.seen + 1, last_at = excluded.last_at,
  reason = CASE WHEN quarantine.dismissed_at IS NOT NULL THEN quarantine.reason ELSE excluded.reason END,
  cause = CASE WHEN quarantine.dismissed_at IS NOT NULL AND quarantine.raw = '' THEN quarantine.cause ELSE excluded.cause END,
  external_id = CASE WHEN quarantine.dismissed_at IS NOT NULL AND quarantine.raw = '' THEN quarantine.external_id ELSE excluded.external_id END,
  part = CASE WHEN quarantine.dismissed_at IS NOT NULL AND quarantine.raw = '' THEN quarantine.part ELSE excluded.part END,
  raw = CASE WHEN quarantine.reported_at > excluded.reported_at OR quarantine.dismissed_at IS NOT NULL AND quarantine.raw = '' THEN quarantine.raw ELSE excluded.raw END,
  file = CASE WHEN quarantine.reported_at > excluded.reported_at THEN quarantine.file ELSE excluded.file END,
  file_hash = CASE WHEN quarantine.reported_at > excluded.reported_at THEN quarantine.file_hash ELSE excluded.file_hash END,
  file_read_at = CASE WHEN quarantine.reported_at > excluded.reported_at THEN quarantine.file_read_at ELSE excluded.file_read_at END,
  file_rows = CASE WHEN quarantine.reported_at > excluded.reported_at THEN quarantine.file_rows ELSE excluded.file_rows END,
  reported_at = greatest(quarantine.reported_at, excluded.reported_at),
  resolved_at = CASE WHEN quarantine.dismissed_at IS NOT NULL OR (excluded.file_hash IS NOT NULL AND excluded.reported_at <= quarantine.reported_at) THEN quarantine.resolved_at END, retry_at = NULL
RETURNING hash, raw, resolved_at)
-- What is as it was is nothing new, however often it is told.
SELECT count(*) AS "news!" FROM kept k LEFT JOIN before b ON b.hash = k.hash
WHERE k.resolved_at IS NULL AND (b.hash IS NULL OR b.resolved_at IS NOT NULL OR b.raw <> k.raw)
