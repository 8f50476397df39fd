-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS purchases (
  event_date DATE NOT NULL,
  app_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  transaction_id TEXT,
  received_at TIMESTAMPTZ NOT NULL,
  platform TEXT,
  country TEXT,
  price_usd DECIMAL(38, 9) NOT NULL
);
