-- What is missing, by hop and minute: 0 in every closed minute unless something was lost there.
-- ingest: received = stored + rejected + deferred. log: stored + late = read.
-- process: read = accepted + duplicate + dead_lettered.
-- warehouse: accepted + dead_lettered = distinct source positions of events and events_dlq.
CREATE OR REPLACE VIEW ledger_residue AS
WITH minutes AS (
  -- Read once: read four times beside all positions, it takes more memory than there may be.
  SELECT *
  FROM ledger_minutes
),
positions AS (
  SELECT
    source_log AS log_id,
    app_id,
    TIMESTAMP_TRUNC(received_at, MINUTE) AS minute,
    source_partition,
    source_offset
  FROM events
  WHERE event_date >= DATE '1970-01-01'
  -- Judged twice by two releases, a record may be in both; it is one position all the same.
  UNION DISTINCT
  SELECT
    source_log,
    app_id,
    TIMESTAMP_TRUNC(received_at, MINUTE),
    source_partition,
    source_offset
  FROM events_dlq
),
hops AS (
  SELECT
    log_id, 'ingest' AS hop, app_id, minute, state,
    received - stored - rejected - deferred AS residue
  FROM minutes
  UNION ALL
  SELECT log_id, 'log', app_id, minute, state, COALESCE(lost, 0)
  FROM minutes
  UNION ALL
  SELECT
    log_id, 'process', app_id, minute, state,
    read - accepted - duplicate - dead_lettered
  FROM minutes
  UNION ALL
  SELECT log_id, 'warehouse', app_id, minute, state, accepted + dead_lettered
  FROM minutes
  UNION ALL
  SELECT log_id, 'warehouse', app_id, minute, NULL, -COUNT(*)
  FROM positions
  GROUP BY log_id, app_id, minute
)
SELECT
  log_id,
  hop,
  app_id,
  minute,
  CASE
    WHEN COUNTIF(state = 'open') > 0 THEN 'open'
    WHEN COUNTIF(state = 'unproved') > 0 THEN 'unproved'
    ELSE 'proved'
  END AS state,
  CAST(SUM(residue) AS INT64) AS residue
FROM hops
GROUP BY log_id, hop, app_id, minute;
