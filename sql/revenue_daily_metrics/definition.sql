CREATE TABLE IF NOT EXISTS revenue_daily_metrics (
  event_date DATE NOT NULL OPTIONS (description = 'UTC date of the events; the partition'),
  app_id STRING NOT NULL OPTIONS (description = 'app of the write key'),
  platform STRING NOT NULL OPTIONS (description = 'platform; unknown where the event has none; all'),
  country STRING NOT NULL OPTIONS (description = 'country; unknown where the event has none; all in the row of the whole day'),
  purchases INT64 NOT NULL OPTIONS (description = 'purchases that count, see purchases_unique'),
  payers INT64 NOT NULL OPTIONS (description = 'distinct players of those with a price above 0'),
  revenue_usd NUMERIC(38, 9) NOT NULL OPTIONS (description = 'sum of their prices'),
  arpdau NUMERIC(38, 9) NOT NULL OPTIONS (description = 'revenue / distinct players with any event in this very cell, to 6 decimals'),
  arppu NUMERIC(38, 9) OPTIONS (description = 'revenue / payers, to 6 decimals; NULL without payers')
)
PARTITION BY event_date
CLUSTER BY app_id
OPTIONS (
  description = 'What a day brought in; players may be in several cells, so only the row with both = all is the day'
);
