CREATE TABLE IF NOT EXISTS events_reprocessed (
  letter STRING NOT NULL OPTIONS (description = 'the letter that was brought back, as events_dlq names it'),
  attempts INT64 NOT NULL OPTIONS (description = 'for which time, from 1'),
  outcome STRING NOT NULL OPTIONS (description = 'accepted, duplicate or dead_lettered'),
  run STRING OPTIONS (description = 'the run that brought it back'),
  app_id STRING OPTIONS (description = 'app of the write key'),
  judged_at TIMESTAMP NOT NULL OPTIONS (description = 'when it was judged again'),
  source_log STRING NOT NULL OPTIONS (description = 'id of the log'),
  source_partition INT64 NOT NULL OPTIONS (description = 'partition of game-events-raw'),
  source_offset INT64 NOT NULL OPTIONS (description = 'offset in the partition')
)
PARTITION BY TIMESTAMP_TRUNC(judged_at, DAY)
CLUSTER BY letter
OPTIONS (
  description = 'What became of dead letters that were brought back; written by processing',
  partition_expiration_days = 90
);
