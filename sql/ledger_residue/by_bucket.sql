-- Every hop's minutes by what is known of them, in buckets of some seconds; what is missing in those
-- that are closed: where nothing is, what is too many, below 0. What one app or minute misses is not
-- made good by what another has too many. As the view has it, but source positions are only told apart
-- in an app's minutes whose rows are not as many as they are to be: that costs seconds where there are
-- millions of them.
WITH minutes AS (
  -- Records of no app are held against each other too.
  SELECT *, COALESCE(app_id, '') AS app
  FROM ledger_minutes
  WHERE minute >= @from_time
    AND minute < @to_time
    AND (@app_id IS NULL OR app_id = @app_id)
),
kept AS (
  -- Numbers of minutes: millions of rows are grouped by a number in a third of the time.
  SELECT app_id, DIV(UNIX_MICROS(received_at), 60000000) AS number, COUNT(*) AS records
  FROM events
  -- An accepted event is a year old at most, and an hour ahead.
  WHERE event_date >= DATE_SUB(DATE(@from_time), INTERVAL 366 DAY)
    AND event_date <= DATE_ADD(DATE(@to_time), INTERVAL 1 DAY)
    AND received_at >= @from_time
    AND received_at < TIMESTAMP_ADD(CAST(@to_time AS TIMESTAMP), INTERVAL 1 MINUTE)
    AND (@app_id IS NULL OR app_id = @app_id)
  GROUP BY app_id, number
  UNION ALL
  SELECT app_id, DIV(UNIX_MICROS(received_at), 60000000) AS number, COUNT(*) AS records
  FROM events_dlq
  WHERE failed_at >= TIMESTAMP_SUB(CAST(@from_time AS TIMESTAMP), INTERVAL 1 HOUR)
    AND received_at >= @from_time
    AND received_at < TIMESTAMP_ADD(CAST(@to_time AS TIMESTAMP), INTERVAL 1 MINUTE)
    AND (@app_id IS NULL OR app_id = @app_id)
  GROUP BY app_id, number
),
differing AS (
  SELECT app, minute
  FROM (
    SELECT app, minute, accepted + dead_lettered AS records
    FROM minutes
    UNION ALL
    SELECT COALESCE(app_id, ''), TIMESTAMP_SECONDS(number * 60), -records
    FROM kept
  )
  WHERE minute >= @from_time
    AND minute < @to_time
  GROUP BY app, minute
  HAVING SUM(records) <> 0
),
positions AS (
  SELECT DISTINCT source_log, app, minute, source_partition, source_offset
  FROM events
  INNER JOIN differing
    ON differing.minute = TIMESTAMP_TRUNC(received_at, MINUTE)
    AND differing.app = COALESCE(app_id, '')
  WHERE event_date >= DATE_SUB(DATE(@from_time), INTERVAL 366 DAY)
    AND event_date <= DATE_ADD(DATE(@to_time), INTERVAL 1 DAY)
    AND received_at >= @from_time
    AND received_at < TIMESTAMP_ADD(CAST(@to_time AS TIMESTAMP), INTERVAL 1 MINUTE)
    AND (@app_id IS NULL OR app_id = @app_id)
  UNION DISTINCT
  SELECT DISTINCT source_log, app, minute, source_partition, source_offset
  FROM events_dlq
  INNER JOIN differing
    ON differing.minute = TIMESTAMP_TRUNC(received_at, MINUTE)
    AND differing.app = COALESCE(app_id, '')
  WHERE failed_at >= TIMESTAMP_SUB(CAST(@from_time AS TIMESTAMP), INTERVAL 1 HOUR)
    AND received_at >= @from_time
    AND received_at < TIMESTAMP_ADD(CAST(@to_time AS TIMESTAMP), INTERVAL 1 MINUTE)
    AND (@app_id IS NULL OR app_id = @app_id)
),
hops AS (
  SELECT 'ingest' AS hop, app, minute, state, received - stored - rejected - deferred AS residue
  FROM minutes
  UNION ALL
  SELECT 'log', app, minute, state, COALESCE(lost, 0)
  FROM minutes
  UNION ALL
  SELECT 'process', app, minute, state, read - accepted - duplicate - dead_lettered
  FROM minutes
  UNION ALL
  SELECT
    'warehouse', minutes.app, minutes.minute, state,
    IF(differing.minute IS NULL, 0, accepted + dead_lettered)
  FROM minutes
  LEFT JOIN differing ON differing.app = minutes.app AND differing.minute = minutes.minute
  UNION ALL
  SELECT 'warehouse', app, minute, NULL, -COUNT(*)
  FROM positions
  GROUP BY app, minute
),
apps AS (
  SELECT
    hop,
    minute,
    COUNTIF(state = 'open') > 0 AS open,
    COUNTIF(state = 'unproved') > 0 AS unproved,
    IF(COUNTIF(state = 'open') > 0, 0, SUM(residue)) AS residue
  FROM hops
  GROUP BY hop, app, minute
),
judged AS (
  SELECT
    hop,
    minute,
    LOGICAL_OR(open) AS open,
    LOGICAL_OR(unproved) AS unproved,
    SUM(GREATEST(residue, 0)) AS missing,
    SUM(LEAST(residue, 0)) AS surplus
  FROM apps
  GROUP BY hop, minute
)
SELECT
  TIMESTAMP_SECONDS(DIV(UNIX_SECONDS(minute), @bucket_seconds) * @bucket_seconds) AS bucket,
  hop,
  COUNTIF(open) AS open,
  COUNTIF(unproved AND NOT open) AS unproved,
  COUNTIF(NOT unproved AND NOT open) AS proved,
  CAST(IF(SUM(missing) > 0, SUM(missing), SUM(surplus)) AS INT64) AS residue,
  MIN(IF(missing > 0 OR surplus < 0, minute, NULL)) AS first_missing
FROM judged
GROUP BY bucket, hop
ORDER BY bucket, hop;
