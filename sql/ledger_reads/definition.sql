CREATE TABLE IF NOT EXISTS ledger_reads (
  log_id STRING NOT NULL OPTIONS (description = 'id of the log'),
  source_partition INT64 NOT NULL OPTIONS (description = 'partition of game-events-raw'),
  source_offset INT64 NOT NULL OPTIONS (description = 'offset in the partition'),
  source STRING OPTIONS (description = 'boot id of the ingest instance, or the reprocess run, that stored the record'),
  app_id STRING OPTIONS (description = 'app of the write key'),
  minute TIMESTAMP NOT NULL OPTIONS (description = 'start of the minute of received_at'),
  outcome STRING NOT NULL OPTIONS (description = 'accepted or dead_lettered')
)
PARTITION BY TIMESTAMP_TRUNC(minute, DAY)
CLUSTER BY log_id, source
OPTIONS (
  description = 'Records read where the platform owns the offsets: a position may stand here more than once, and is counted once',
  partition_expiration_days = 365
);
