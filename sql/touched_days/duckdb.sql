-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS touched_days (
  event_date DATE NOT NULL,
  reason TEXT NOT NULL,
  touched_at TIMESTAMPTZ NOT NULL
);
