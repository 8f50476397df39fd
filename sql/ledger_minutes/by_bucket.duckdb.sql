-- Derived from by_bucket.sql by scripts/derive-sql: change that one.
-- $1 bucket_seconds, $2 from_time, $3 to_time, $4 app_id
/* What arrived and what became of it, in buckets of some seconds of received_at. */
SELECT
  TO_TIMESTAMP(CAST(EPOCH(minute) AS BIGINT) // $1 * $1) AS bucket,
  CAST(SUM(received) AS BIGINT) AS received,
  CAST(SUM(stored) AS BIGINT) AS stored,
  CAST(SUM(rejected) AS BIGINT) AS rejected,
  CAST(SUM(deferred) AS BIGINT) AS deferred,
  CAST(SUM(refused_bodies) AS BIGINT) AS refused_bodies,
  CAST(SUM(read) AS BIGINT) AS read,
  CAST(SUM(accepted) AS BIGINT) AS accepted,
  CAST(SUM(duplicate) AS BIGINT) AS duplicate,
  CAST(SUM(dead_lettered) AS BIGINT) AS dead_lettered
FROM ledger_minutes
WHERE
  minute >= $2 AND minute < $3 AND (
    $4 IS NULL OR app_id = $4
  )
GROUP BY
  bucket
ORDER BY
  bucket NULLS FIRST;
