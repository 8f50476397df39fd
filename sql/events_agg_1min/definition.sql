CREATE TABLE IF NOT EXISTS events_agg_1min (
  window_start TIMESTAMP NOT NULL OPTIONS (description = 'start of the minute of the time of the event'),
  app_id STRING NOT NULL OPTIONS (description = 'app of the write key'),
  event_type INT64 NOT NULL OPTIONS (description = 'code of the event-type registry'),
  level_id STRING OPTIONS (description = 'level, where the event has one'),
  events INT64 NOT NULL OPTIONS (description = 'accepted events of one batch; add the parts')
)
PARTITION BY TIMESTAMP_TRUNC(window_start, DAY)
CLUSTER BY app_id, event_type
OPTIONS (
  description = 'Additive parts of the one-minute counts; read events_1min',
  partition_expiration_days = 365
);
