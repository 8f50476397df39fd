-- Derived from by_type.sql by scripts/derive-sql: change that one.
-- $1 bucket_seconds, $2 from_time, $3 to_time, $4 app_id
/* Events by type, in buckets of some seconds of their own time. */
SELECT
  TO_TIMESTAMP(CAST(EPOCH(window_start) AS BIGINT) // $1 * $1) AS bucket,
  event_type,
  CAST(SUM(events) AS BIGINT) AS events
FROM events_1min_parts
WHERE
  event_date BETWEEN CAST($2 AS DATE) AND CAST($3 AS DATE)
  AND window_start >= $2
  AND window_start < $3
  AND (
    $4 IS NULL OR app_id = $4
  )
GROUP BY
  bucket,
  event_type
ORDER BY
  bucket NULLS FIRST,
  event_type NULLS FIRST;
