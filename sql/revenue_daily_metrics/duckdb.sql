-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS revenue_daily_metrics (
  event_date DATE NOT NULL,
  app_id TEXT NOT NULL,
  platform TEXT NOT NULL,
  country TEXT NOT NULL,
  purchases BIGINT NOT NULL,
  payers BIGINT NOT NULL,
  revenue_usd DECIMAL(38, 9) NOT NULL,
  arpdau DECIMAL(38, 9) NOT NULL,
  arppu DECIMAL(38, 9)
);
