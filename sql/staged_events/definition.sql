CREATE TABLE IF NOT EXISTS staged_events (
  event_id STRING NOT NULL OPTIONS (description = 'id as sent; the identity of an event is (app_id, event_id)'),
  app_id STRING NOT NULL OPTIONS (description = 'app of the write key'),
  user_id STRING NOT NULL OPTIONS (description = 'player as sent'),
  session_id STRING OPTIONS (description = 'session as sent'),
  event_type INT64 NOT NULL OPTIONS (description = 'code of the event-type registry'),
  event_name STRING OPTIONS (description = 'name of the code; NULL where it is not registered'),
  timestamp TIMESTAMP NOT NULL OPTIONS (description = 'when it happened, corrected where the clock of the device was off by more than 5 minutes'),
  event_date DATE NOT NULL OPTIONS (description = 'UTC date of timestamp; the partition'),
  event_hour INT64 NOT NULL OPTIONS (description = 'UTC hour of timestamp, 0 to 23'),
  day_of_week INT64 NOT NULL OPTIONS (description = 'UTC day of timestamp, Monday 0'),
  received_at TIMESTAMP NOT NULL OPTIONS (description = 'when ingest received the request'),
  client_timestamp TIMESTAMP OPTIONS (description = 'timestamp as sent, where timestamp was corrected'),
  parameters JSON OPTIONS (description = 'parameters as sent; NULL where another type than an object was sent'),
  extras JSON OPTIONS (description = 'top-level members without a column, and those of a wrong type'),
  platform STRING OPTIONS (description = 'ios, android, web, or other text as sent'),
  app_version STRING OPTIONS (description = 'release of the app as sent'),
  country STRING OPTIONS (description = 'ISO 3166-1 code of the address'),
  region STRING OPTIONS (description = 'code of the first subdivision of the address'),
  city STRING OPTIONS (description = 'English name of the city of the address'),
  device_category STRING OPTIONS (description = 'phone, tablet, tv, wearable, chromebook, car'),
  device_tier STRING OPTIONS (description = 'low, mid, high'),
  is_paying_user BOOL OPTIONS (description = 'as sent'),
  days_since_install INT64 OPTIONS (description = 'as sent, or UTC days since installed_at; never negative'),
  level_id STRING OPTIONS (description = 'parameters.level_id; an integer as decimal text'),
  moves_used INT64 OPTIONS (description = 'parameters.moves_used, 0 to 1000000'),
  time_seconds FLOAT64 OPTIONS (description = 'parameters.time_seconds, 0 to 86400'),
  boosters_used ARRAY<STRING> OPTIONS (description = 'parameters.boosters_used'),
  duration_sec FLOAT64 OPTIONS (description = 'parameters.duration_sec, 0 to 86400'),
  price_usd NUMERIC(38, 9) OPTIONS (description = 'parameters.price_usd, 0 to 10000, exact'),
  transaction_id STRING OPTIONS (description = 'parameters.transaction_id'),
  counted BOOL NOT NULL OPTIONS (description = 'its minute is in events_agg_1min'),
  source_log STRING NOT NULL OPTIONS (description = 'id of the log'),
  source_partition INT64 NOT NULL OPTIONS (description = 'partition of game-events-raw'),
  source_offset INT64 NOT NULL OPTIONS (description = 'offset in the partition'),
  run STRING NOT NULL OPTIONS (description = 'the replay, as the ledger names it'),
  staged_at TIMESTAMP NOT NULL OPTIONS (description = 'when the replay began; the partition')
)
PARTITION BY TIMESTAMP_TRUNC(staged_at, DAY)
CLUSTER BY run
OPTIONS (
  description = 'Rows of events that a replay has put aside',
  partition_expiration_days = 3
);
