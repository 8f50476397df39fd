-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS purchases_counted (
  event_date DATE NOT NULL,
  app_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  platform TEXT,
  country TEXT,
  price_usd DECIMAL(38, 9) NOT NULL
);
