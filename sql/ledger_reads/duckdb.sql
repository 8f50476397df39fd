-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS ledger_reads (
  log_id TEXT NOT NULL,
  source_partition BIGINT NOT NULL,
  source_offset BIGINT NOT NULL,
  source TEXT,
  app_id TEXT,
  minute TIMESTAMPTZ NOT NULL,
  outcome TEXT NOT NULL
);
