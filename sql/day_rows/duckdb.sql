-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS day_rows (
  event_date DATE NOT NULL,
  app_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  session_id TEXT,
  event_type BIGINT NOT NULL,
  timestamp TIMESTAMPTZ NOT NULL,
  received_at TIMESTAMPTZ NOT NULL,
  platform TEXT,
  country TEXT,
  level_id TEXT,
  moves_used BIGINT,
  time_seconds DOUBLE,
  boosters_used TEXT[],
  duration_sec DOUBLE,
  price_usd DECIMAL(38, 9),
  transaction_id TEXT
);
