-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS level_metrics (
  event_date DATE NOT NULL,
  app_id TEXT NOT NULL,
  level_id TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  completions BIGINT NOT NULL,
  pass_rate DOUBLE NOT NULL,
  avg_moves DOUBLE,
  p50_moves BIGINT,
  p95_moves BIGINT,
  avg_time_seconds DOUBLE,
  unique_players BIGINT NOT NULL,
  booster_usage_rate DOUBLE NOT NULL,
  retry_rate DOUBLE
);
