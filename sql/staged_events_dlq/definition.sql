CREATE TABLE IF NOT EXISTS staged_events_dlq (
  letter STRING NOT NULL OPTIONS (description = 'what the letter is through all its attempts: the first source position of its record, log/partition/offset'),
  reason STRING NOT NULL OPTIONS (description = 'entry of the closed list of reasons'),
  detail STRING OPTIONS (description = 'member at fault'),
  app_id STRING OPTIONS (description = 'app of the write key'),
  held BOOL NOT NULL OPTIONS (description = 'written while the brake of the app was pulled'),
  attempts INT64 NOT NULL OPTIONS (description = 'how often the letter was brought back before'),
  received_at TIMESTAMP NOT NULL OPTIONS (description = 'when ingest received the request'),
  failed_at TIMESTAMP NOT NULL OPTIONS (description = 'when the record was judged'),
  function_version STRING NOT NULL OPTIONS (description = 'release and lookups that judged it'),
  record_key BYTES OPTIONS (description = 'key of the record'),
  raw BYTES OPTIONS (description = 'value of the record, untouched'),
  headers JSON NOT NULL OPTIONS (description = 'headers of the record: [[name, text], ...]; what is no text is [name, null, hex]'),
  source_log STRING NOT NULL OPTIONS (description = 'id of the log'),
  source_partition INT64 NOT NULL OPTIONS (description = 'partition of game-events-raw'),
  source_offset INT64 NOT NULL OPTIONS (description = 'offset in the partition'),
  run STRING NOT NULL OPTIONS (description = 'the replay, as the ledger names it'),
  staged_at TIMESTAMP NOT NULL OPTIONS (description = 'when the replay began; the partition')
)
PARTITION BY TIMESTAMP_TRUNC(staged_at, DAY)
CLUSTER BY run
OPTIONS (
  description = 'Rows of events_dlq that a replay has put aside',
  partition_expiration_days = 3
);
