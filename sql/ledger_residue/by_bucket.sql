-- Every hop's minutes by what is known of them, in buckets of some seconds; what is missing in those
-- that are closed. As the view has it, but source positions are only told apart in minutes whose rows
-- are not as many as they are to be: that costs seconds where there are millions of them.
WITH minutes AS (
  SELECT *
  FROM ledger_minutes
  WHERE minute >= @from_time
    AND minute < @to_time
    AND (@app_id IS NULL OR app_id = @app_id)
),
kept AS (
  SELECT TIMESTAMP_TRUNC(received_at, MINUTE) AS minute, COUNT(*) AS records
  FROM events
  -- An accepted event is a year old at most, and an hour ahead.
  WHERE event_date >= DATE_SUB(DATE(@from_time), INTERVAL 366 DAY)
    AND event_date <= DATE_ADD(DATE(@to_time), INTERVAL 1 DAY)
    AND received_at >= @from_time
    AND received_at < TIMESTAMP_ADD(CAST(@to_time AS TIMESTAMP), INTERVAL 1 MINUTE)
    AND TIMESTAMP_TRUNC(received_at, MINUTE) < @to_time
    AND TIMESTAMP_TRUNC(received_at, MINUTE) >= @from_time
    AND (@app_id IS NULL OR app_id = @app_id)
  GROUP BY TIMESTAMP_TRUNC(received_at, MINUTE)
  UNION ALL
  SELECT TIMESTAMP_TRUNC(received_at, MINUTE) AS minute, COUNT(*) AS records
  FROM events_dlq
  WHERE failed_at >= TIMESTAMP_SUB(CAST(@from_time AS TIMESTAMP), INTERVAL 1 HOUR)
    AND received_at >= @from_time
    AND received_at < TIMESTAMP_ADD(CAST(@to_time AS TIMESTAMP), INTERVAL 1 MINUTE)
    AND TIMESTAMP_TRUNC(received_at, MINUTE) < @to_time
    AND TIMESTAMP_TRUNC(received_at, MINUTE) >= @from_time
    AND (@app_id IS NULL OR app_id = @app_id)
  GROUP BY TIMESTAMP_TRUNC(received_at, MINUTE)
),
differing AS (
  SELECT minute
  FROM (
    SELECT minute, accepted + dead_lettered AS records
    FROM minutes
    UNION ALL
    SELECT minute, -records
    FROM kept
  )
  GROUP BY minute
  HAVING SUM(records) <> 0
),
positions AS (
  SELECT DISTINCT source_log, minute, source_partition, source_offset
  FROM events
  INNER JOIN differing ON differing.minute = TIMESTAMP_TRUNC(received_at, MINUTE)
  WHERE event_date >= DATE_SUB(DATE(@from_time), INTERVAL 366 DAY)
    AND event_date <= DATE_ADD(DATE(@to_time), INTERVAL 1 DAY)
    AND received_at >= @from_time
    AND received_at < TIMESTAMP_ADD(CAST(@to_time AS TIMESTAMP), INTERVAL 1 MINUTE)
    AND (@app_id IS NULL OR app_id = @app_id)
  UNION DISTINCT
  SELECT DISTINCT source_log, minute, source_partition, source_offset
  FROM events_dlq
  INNER JOIN differing ON differing.minute = TIMESTAMP_TRUNC(received_at, MINUTE)
  WHERE failed_at >= TIMESTAMP_SUB(CAST(@from_time AS TIMESTAMP), INTERVAL 1 HOUR)
    AND received_at >= @from_time
    AND received_at < TIMESTAMP_ADD(CAST(@to_time AS TIMESTAMP), INTERVAL 1 MINUTE)
    AND (@app_id IS NULL OR app_id = @app_id)
),
hops AS (
  SELECT 'ingest' AS hop, minute, state, received - stored - rejected - deferred AS residue
  FROM minutes
  UNION ALL
  SELECT 'log', minute, state, COALESCE(lost, 0)
  FROM minutes
  UNION ALL
  SELECT 'process', minute, state, read - accepted - duplicate - dead_lettered
  FROM minutes
  UNION ALL
  SELECT
    'warehouse', minute, state,
    IF(minute IN (SELECT minute FROM differing), accepted + dead_lettered, 0)
  FROM minutes
  UNION ALL
  SELECT 'warehouse', minute, NULL, -COUNT(*)
  FROM positions
  GROUP BY minute
),
judged AS (
  SELECT
    hop,
    minute,
    CASE
      WHEN COUNTIF(state = 'open') > 0 THEN 'open'
      WHEN COUNTIF(state = 'unproved') > 0 THEN 'unproved'
      ELSE 'proved'
    END AS state,
    SUM(residue) AS residue
  FROM hops
  GROUP BY hop, minute
)
SELECT
  TIMESTAMP_SECONDS(DIV(UNIX_SECONDS(minute), @bucket_seconds) * @bucket_seconds) AS bucket,
  hop,
  COUNTIF(state = 'open') AS open,
  COUNTIF(state = 'unproved') AS unproved,
  COUNTIF(state = 'proved') AS proved,
  CAST(SUM(IF(state = 'open', 0, residue)) AS INT64) AS residue,
  MIN(IF(state <> 'open' AND residue <> 0, minute, NULL)) AS first_missing
FROM judged
GROUP BY bucket, hop
ORDER BY bucket, hop;
