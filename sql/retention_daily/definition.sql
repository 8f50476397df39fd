CREATE TABLE IF NOT EXISTS retention_daily (
  event_date DATE NOT NULL OPTIONS (description = 'day of play, install_date + age_days; the partition'),
  app_id STRING NOT NULL OPTIONS (description = 'app of the write key'),
  install_date DATE NOT NULL OPTIONS (description = 'first day seen'),
  age_days INT64 NOT NULL OPTIONS (description = 'days since then; at 0 players is the size of the cohort'),
  players INT64 NOT NULL OPTIONS (description = 'players first seen on install_date who played on event_date')
)
PARTITION BY event_date
CLUSTER BY app_id, install_date
OPTIONS (
  description = 'How many players of an install day came back at which age'
);
