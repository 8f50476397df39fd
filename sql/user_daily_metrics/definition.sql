CREATE TABLE IF NOT EXISTS user_daily_metrics (
  event_date DATE NOT NULL OPTIONS (description = 'UTC date of the events; the partition'),
  app_id STRING NOT NULL OPTIONS (description = 'app of the write key'),
  user_id STRING NOT NULL OPTIONS (description = 'player as sent'),
  sessions INT64 NOT NULL OPTIONS (description = 'distinct session_id'),
  events INT64 NOT NULL OPTIONS (description = 'unique events'),
  levels_played INT64 NOT NULL OPTIONS (description = 'distinct levels with a start or an outcome'),
  levels_completed INT64 NOT NULL OPTIONS (description = 'level_complete events'),
  playtime_minutes FLOAT64 NOT NULL OPTIONS (description = 'duration_sec / 60 over the types marked playtime'),
  revenue_usd NUMERIC(38, 9) NOT NULL OPTIONS (description = 'purchases that count, see purchases_unique')
)
PARTITION BY event_date
CLUSTER BY app_id, user_id
OPTIONS (
  description = 'What a player did on a day; kept for good, since it tells when a player was first seen'
);
