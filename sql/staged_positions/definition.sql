CREATE TABLE IF NOT EXISTS staged_positions (
  source_partition INT64 NOT NULL OPTIONS (description = 'partition of game-events-raw'),
  source_offset INT64 NOT NULL OPTIONS (description = 'offset in the partition'),
  found STRING NOT NULL OPTIONS (description = 'event or letter: the row that stands there; copy: none, and none is to stand there'),
  counted BOOL NOT NULL OPTIONS (description = 'the minute of the event is in events_agg_1min'),
  event_date DATE OPTIONS (description = 'UTC date of the event'),
  received_date DATE OPTIONS (description = 'UTC date of received_at; NULL of a copy'),
  run STRING NOT NULL OPTIONS (description = 'the replay, as the ledger names it'),
  staged_at TIMESTAMP NOT NULL OPTIONS (description = 'when the replay began; the partition')
)
PARTITION BY TIMESTAMP_TRUNC(staged_at, DAY)
CLUSTER BY run, source_partition, source_offset
OPTIONS (
  description = 'What a replay has found at the source positions that it reads',
  partition_expiration_days = 3
);
