-- Kept longer than the days that are still rebuilt: whether a purchase of theirs counts is asked of the
-- 30 days before them too.
CREATE TABLE IF NOT EXISTS purchases (
  event_date DATE NOT NULL OPTIONS (description = 'UTC date of the purchase; the partition'),
  app_id STRING NOT NULL OPTIONS (description = 'app of the write key'),
  event_id STRING NOT NULL OPTIONS (description = 'id as sent'),
  user_id STRING NOT NULL OPTIONS (description = 'player as sent'),
  transaction_id STRING OPTIONS (description = 'transaction as sent; NULL where absent or empty'),
  received_at TIMESTAMP NOT NULL OPTIONS (description = 'when ingest received the request'),
  platform STRING OPTIONS (description = 'as in day_rows'),
  country STRING OPTIONS (description = 'as in day_rows'),
  price_usd NUMERIC(38, 9) NOT NULL OPTIONS (description = '0 to 10000, exact')
)
PARTITION BY event_date
CLUSTER BY app_id, transaction_id
OPTIONS (
  description = 'Purchases of closed days, also those whose transaction was counted before: read purchases_unique',
  partition_expiration_days = 400
);
