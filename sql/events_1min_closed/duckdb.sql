-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS events_1min_closed (
  window_start TIMESTAMPTZ NOT NULL,
  app_id TEXT NOT NULL,
  event_type BIGINT NOT NULL,
  level_id TEXT,
  events BIGINT NOT NULL
);
