-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS retention_daily (
  event_date DATE NOT NULL,
  app_id TEXT NOT NULL,
  install_date DATE NOT NULL,
  age_days BIGINT NOT NULL,
  players BIGINT NOT NULL
);
