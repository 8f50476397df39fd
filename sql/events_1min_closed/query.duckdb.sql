-- Derived from query.sql by scripts/derive-sql: change that one.
-- $1 date
SELECT
  DATE_TRUNC('MINUTE', timestamp) AS window_start,
  app_id,
  event_type,
  level_id,
  COUNT(*) AS events
FROM day_rows
WHERE
  event_date = $1
GROUP BY
  DATE_TRUNC('MINUTE', timestamp),
  app_id,
  event_type,
  level_id;
