-- What arrived and what became of it, in buckets of some seconds of received_at.
SELECT
  TIMESTAMP_SECONDS(DIV(UNIX_SECONDS(minute), @bucket_seconds) * @bucket_seconds) AS bucket,
  CAST(SUM(received) AS INT64) AS received,
  CAST(SUM(stored) AS INT64) AS stored,
  CAST(SUM(rejected) AS INT64) AS rejected,
  CAST(SUM(deferred) AS INT64) AS deferred,
  CAST(SUM(refused_bodies) AS INT64) AS refused_bodies,
  CAST(SUM(read) AS INT64) AS read,
  CAST(SUM(accepted) AS INT64) AS accepted,
  CAST(SUM(duplicate) AS INT64) AS duplicate,
  CAST(SUM(dead_lettered) AS INT64) AS dead_lettered
FROM ledger_minutes
WHERE minute >= @from_time
  AND minute < @to_time
  AND (@app_id IS NULL OR app_id = @app_id)
GROUP BY bucket
ORDER BY bucket;
