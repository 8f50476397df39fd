-- Derived from definition.sql by scripts/derive-sql: change that one.
/* Kept longer than the days that are still rebuilt: whether a purchase of theirs counts is asked of the */
/* 30 days before them too. */
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
