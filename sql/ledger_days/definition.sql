CREATE TABLE IF NOT EXISTS ledger_days (
  received_date DATE NOT NULL OPTIONS (description = 'UTC date of received_at; the partition'),
  log_id STRING NOT NULL OPTIONS (description = 'id of the log'),
  hop STRING NOT NULL OPTIONS (description = 'ingest, log, process or warehouse'),
  records INT64 NOT NULL OPTIONS (description = 'records that ingest stored on that day, late ones included'),
  minutes INT64 NOT NULL OPTIONS (description = 'minutes, each once per app'),
  unproved INT64 NOT NULL OPTIONS (description = 'those of which nobody may say that nothing was lost'),
  residue INT64 NOT NULL OPTIONS (description = 'what is missing or too much, added up regardless of its sign')
)
PARTITION BY received_date
CLUSTER BY log_id, hop
OPTIONS (
  description = 'The ledger of a closed day, frozen: the distinct source positions in the warehouse are counted once',
  partition_expiration_days = 365
);
