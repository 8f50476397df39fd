-- Derived from definition.sql by scripts/derive-sql: change that one.
/* What training reads of a level and day. */
CREATE OR REPLACE VIEW level_features AS
SELECT
  event_date,
  app_id,
  level_id,
  pass_rate,
  avg_moves,
  p95_moves,
  retry_rate,
  booster_usage_rate
FROM level_metrics;
