-- Derived from export.sql by scripts/derive-sql: change that one.
-- $1 date
/* Ordered, so that the same rows are the same file. */
SELECT
  app_id,
  level_id,
  pass_rate,
  avg_moves,
  p95_moves,
  retry_rate,
  booster_usage_rate
FROM level_features
WHERE
  event_date = $1
ORDER BY
  app_id NULLS FIRST,
  level_id NULLS FIRST;
