-- Derived from pass_rate.sql by scripts/derive-sql: change that one.
-- $1 date
/* fail */
/* A rate that is none. */
SELECT
  app_id,
  level_id,
  attempts,
  completions,
  pass_rate
FROM level_metrics
WHERE
  event_date = $1 AND (
    pass_rate < 0 OR pass_rate > 1 OR ISNAN(pass_rate)
  );
