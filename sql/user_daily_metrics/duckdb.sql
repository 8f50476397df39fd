-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS user_daily_metrics (
  event_date DATE NOT NULL,
  app_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  sessions BIGINT NOT NULL,
  events BIGINT NOT NULL,
  levels_played BIGINT NOT NULL,
  levels_completed BIGINT NOT NULL,
  playtime_minutes DOUBLE NOT NULL,
  revenue_usd DECIMAL(38, 9) NOT NULL
);
