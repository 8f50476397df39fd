-- Events by type, in buckets of some seconds of their own time.
SELECT
  TIMESTAMP_SECONDS(DIV(UNIX_SECONDS(window_start), @bucket_seconds) * @bucket_seconds) AS bucket,
  event_type,
  CAST(SUM(events) AS INT64) AS events
FROM events_1min_parts
WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
  AND window_start >= @from_time
  AND window_start < @to_time
  AND (@app_id IS NULL OR app_id = @app_id)
GROUP BY bucket, event_type
ORDER BY bucket, event_type;
