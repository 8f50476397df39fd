-- Derived from definition.sql by scripts/derive-sql: change that one.
/* Rows as received, so that BigQuery can keep it up to date by itself: an event that came twice is */
/* counted twice, and no metric reads this. */
CREATE VIEW IF NOT EXISTS level_daily_stats AS
SELECT
  event_date,
  app_id,
  level_id,
  event_type,
  COUNT(*) AS events
FROM events
WHERE
  event_date >= CAST('1970-01-01' AS DATE) AND NOT level_id IS NULL
GROUP BY
  event_date,
  app_id,
  level_id,
  event_type;
