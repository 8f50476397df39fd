-- Derived from query.sql by scripts/derive-sql: change that one.
-- $1 date
SELECT
  MAKE_TIMESTAMPTZ(EPOCH_US(timestamp) // 60000000 * 60000000) AS window_start,
  app_id,
  event_type,
  level_id,
  COUNT(*) AS events
FROM day_rows
WHERE
  event_date = $1
GROUP BY
  MAKE_TIMESTAMPTZ(EPOCH_US(timestamp) // 60000000 * 60000000),
  app_id,
  event_type,
  level_id;
