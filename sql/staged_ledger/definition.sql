CREATE TABLE IF NOT EXISTS staged_ledger (
  log_id STRING NOT NULL OPTIONS (description = 'id of the log'),
  hop STRING NOT NULL OPTIONS (description = 'ingest, reprocess, process, replay (records read once more, beside the sums), log (expired records), or closed: every minute up to this one is closed'),
  source STRING OPTIONS (description = 'boot id of the ingest instance, or the reprocess run, that stored the records; or the run of replay that read them'),
  app_id STRING OPTIONS (description = 'app; NULL on a row that says that the hop was alive, empty for bodies refused before their key was known'),
  minute TIMESTAMP NOT NULL OPTIONS (description = 'start of the minute of received_at'),
  seq INT64 OPTIONS (description = 'number of the page within its boot; the same page twice is one page'),
  complete BOOL NOT NULL OPTIONS (description = 'the boot has written this minute for good'),
  closing BOOL NOT NULL OPTIONS (description = 'the boot ended in order after this'),
  received INT64 NOT NULL OPTIONS (description = 'events in readable bodies'),
  stored INT64 NOT NULL OPTIONS (description = 'acknowledged by the log before the deadline'),
  rejected INT64 NOT NULL OPTIONS (description = 'not kept, with a reason'),
  deferred INT64 NOT NULL OPTIONS (description = 'not acknowledged before the deadline'),
  late INT64 NOT NULL OPTIONS (description = 'deferred, and acknowledged after all'),
  failed INT64 NOT NULL OPTIONS (description = 'deferred, and refused for good'),
  unknown INT64 NOT NULL OPTIONS (description = 'deferred, and never heard of again'),
  refused_bodies INT64 NOT NULL OPTIONS (description = 'bodies refused whole'),
  read INT64 NOT NULL OPTIONS (description = 'records read'),
  accepted INT64 NOT NULL OPTIONS (description = 'records that became rows'),
  duplicate INT64 NOT NULL OPTIONS (description = 'records known already'),
  dead_lettered INT64 NOT NULL OPTIONS (description = 'records that became dead letters'),
  expired INT64 NOT NULL OPTIONS (description = 'records gone before they were read'),
  written_at TIMESTAMP NOT NULL OPTIONS (description = 'when the row was written'),
  run STRING NOT NULL OPTIONS (description = 'the replay, as the ledger names it'),
  staged_at TIMESTAMP NOT NULL OPTIONS (description = 'when the replay began; the partition')
)
PARTITION BY TIMESTAMP_TRUNC(staged_at, DAY)
CLUSTER BY run
OPTIONS (
  description = 'Rows of ledger that a replay has put aside',
  partition_expiration_days = 3
);
