-- Derived from by_bucket.sql by scripts/derive-sql: change that one.
-- $1 bucket_seconds, $2 from_time, $3 to_time, $4 app_id
/* Every hop's minutes by what is known of them, in buckets of some seconds; what is missing in those */
/* that are closed. */
SELECT
  TO_TIMESTAMP(CAST(EPOCH(minute) AS BIGINT) // $1 * $1) AS bucket,
  hop,
  COUNT(DISTINCT CASE WHEN state = 'open' THEN minute ELSE NULL END) AS open,
  COUNT(DISTINCT CASE WHEN state = 'unproved' THEN minute ELSE NULL END) AS unproved,
  COUNT(DISTINCT CASE WHEN state = 'proved' THEN minute ELSE NULL END) AS proved,
  CAST(SUM(CASE WHEN state = 'open' THEN 0 ELSE residue END) AS BIGINT) AS residue,
  MIN(CASE WHEN state <> 'open' AND residue <> 0 THEN minute ELSE NULL END) AS first_missing
FROM ledger_residue
WHERE
  minute >= $2 AND minute < $3 AND (
    $4 IS NULL OR app_id = $4
  )
GROUP BY
  bucket,
  hop
ORDER BY
  bucket NULLS FIRST,
  hop NULLS FIRST;
