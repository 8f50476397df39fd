-- Events by type, in buckets of some seconds of their own time. The twelve most frequent types of the
-- range are told apart: nobody reads a plot of more lines, and clients may make up as many types as they
-- like. All others are one row a bucket, without a type.
WITH counted AS (
  SELECT
    TIMESTAMP_SECONDS(DIV(UNIX_SECONDS(window_start), @bucket_seconds) * @bucket_seconds) AS bucket,
    event_type,
    SUM(events) AS events
  FROM events_1min_parts
  WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
    AND window_start >= @from_time
    AND window_start < @to_time
    AND (@app_id IS NULL OR app_id = @app_id)
  GROUP BY bucket, event_type
),
frequent AS (
  SELECT event_type
  FROM counted
  GROUP BY event_type
  ORDER BY SUM(events) DESC, event_type
  LIMIT 12
)
SELECT bucket, frequent.event_type, CAST(SUM(events) AS INT64) AS events
FROM counted
LEFT JOIN frequent ON frequent.event_type = counted.event_type
GROUP BY bucket, frequent.event_type
ORDER BY bucket, event_type;
