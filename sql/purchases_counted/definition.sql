CREATE TABLE IF NOT EXISTS purchases_counted (
  event_date DATE NOT NULL OPTIONS (description = 'UTC date of the purchase; the partition'),
  app_id STRING NOT NULL OPTIONS (description = 'app of the write key'),
  event_id STRING NOT NULL OPTIONS (description = 'id as sent'),
  user_id STRING NOT NULL OPTIONS (description = 'player as sent'),
  platform STRING OPTIONS (description = 'as in day_rows'),
  country STRING OPTIONS (description = 'as in day_rows'),
  price_usd NUMERIC(38, 9) NOT NULL OPTIONS (description = '0 to 10000, exact')
)
PARTITION BY event_date
CLUSTER BY app_id, user_id
OPTIONS (
  description = 'The purchases that the metrics of a closed day count; where purchases_unique says otherwise by now, the day is stale',
  partition_expiration_days = 365
);
