CREATE TABLE IF NOT EXISTS level_metrics (
  event_date DATE NOT NULL OPTIONS (description = 'UTC date of the events; the partition'),
  app_id STRING NOT NULL OPTIONS (description = 'app of the write key'),
  level_id STRING NOT NULL OPTIONS (description = 'level as sent'),
  attempts INT64 NOT NULL OPTIONS (description = 'sum over players of the greater of starts and outcomes: an outcome whose start is missing was still an attempt'),
  completions INT64 NOT NULL OPTIONS (description = 'level_complete events'),
  pass_rate FLOAT64 NOT NULL OPTIONS (description = 'completions / attempts'),
  avg_moves FLOAT64 OPTIONS (description = 'mean of moves_used over completions that have it, to 6 decimals'),
  p50_moves INT64 OPTIONS (description = 'median of the same, nearest rank'),
  p95_moves INT64 OPTIONS (description = '95th percentile of the same, nearest rank'),
  avg_time_seconds FLOAT64 OPTIONS (description = 'mean of time_seconds over completions that have it, to 6 decimals'),
  unique_players INT64 NOT NULL OPTIONS (description = 'players with a start or an outcome'),
  booster_usage_rate FLOAT64 NOT NULL OPTIONS (description = 'outcomes with a booster / attempts'),
  retry_rate FLOAT64 OPTIONS (description = '(starts - players with a start) / starts; NULL without starts')
)
PARTITION BY event_date
CLUSTER BY app_id, level_id
OPTIONS (
  description = 'How a level was played on a day'
);
