CREATE TABLE IF NOT EXISTS day_rows (
  event_date DATE NOT NULL OPTIONS (description = 'UTC date of timestamp; the partition'),
  app_id STRING NOT NULL OPTIONS (description = 'app of the write key'),
  event_id STRING NOT NULL OPTIONS (description = 'id as sent'),
  user_id STRING NOT NULL OPTIONS (description = 'player as sent'),
  session_id STRING OPTIONS (description = 'session as sent'),
  event_type INT64 NOT NULL OPTIONS (description = 'code of the event-type registry'),
  timestamp TIMESTAMP NOT NULL OPTIONS (description = 'when it happened'),
  received_at TIMESTAMP NOT NULL OPTIONS (description = 'when ingest received the request'),
  platform STRING OPTIONS (description = 'ios, android, web, or other text as sent'),
  country STRING OPTIONS (description = 'ISO 3166-1 code of the address'),
  level_id STRING OPTIONS (description = 'level, where the event has one'),
  moves_used INT64 OPTIONS (description = '0 to 1000000'),
  time_seconds FLOAT64 OPTIONS (description = '0 to 86400'),
  boosters_used ARRAY<STRING> OPTIONS (description = 'empty where none were used'),
  duration_sec FLOAT64 OPTIONS (description = '0 to 86400'),
  price_usd NUMERIC(38, 9) OPTIONS (description = '0 to 10000, exact'),
  transaction_id STRING OPTIONS (description = 'transaction of a purchase')
)
PARTITION BY event_date
CLUSTER BY event_type, user_id
OPTIONS (
  description = 'The rows of a day that count, as the first step of its run found them: what every later step, retry and resume reads',
  partition_expiration_days = 365
);
