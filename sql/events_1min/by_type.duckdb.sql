-- Derived from by_type.sql by scripts/derive-sql: change that one.
-- $1 bucket_seconds, $2 from_time, $3 to_time, $4 app_id
/* Events by type, in buckets of some seconds of their own time. The twelve most frequent types of the */
/* range are told apart: nobody reads a plot of more lines, and clients may make up as many types as they */
/* like. All others are one row a bucket, without a type. */
WITH counted AS (
  SELECT
    TO_TIMESTAMP(CAST(EPOCH(window_start) AS BIGINT) // $1 * $1) AS bucket,
    event_type,
    SUM(events) AS events
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
), frequent AS (
  SELECT
    event_type
  FROM counted
  GROUP BY
    event_type
  ORDER BY
    SUM(events) DESC,
    event_type NULLS FIRST
  LIMIT 12
)
SELECT
  bucket,
  frequent.event_type,
  CAST(SUM(events) AS BIGINT) AS events
FROM counted
LEFT JOIN frequent
  ON frequent.event_type = counted.event_type
GROUP BY
  bucket,
  frequent.event_type
ORDER BY
  bucket NULLS FIRST,
  event_type NULLS FIRST;
