SELECT
  TIMESTAMP_TRUNC(timestamp, MINUTE) AS window_start,
  app_id,
  event_type,
  level_id,
  COUNT(*) AS events
FROM day_rows
WHERE event_date = @date
GROUP BY TIMESTAMP_TRUNC(timestamp, MINUTE), app_id, event_type, level_id;
