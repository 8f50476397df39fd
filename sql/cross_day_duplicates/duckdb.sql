-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS cross_day_duplicates (
  run_date DATE NOT NULL,
  app_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  event_date DATE NOT NULL,
  kept_date DATE NOT NULL
);
