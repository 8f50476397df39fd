-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS staged_events_dlq (
  letter TEXT NOT NULL,
  reason TEXT NOT NULL,
  detail TEXT,
  app_id TEXT,
  held BOOLEAN NOT NULL,
  attempts BIGINT NOT NULL,
  received_at TIMESTAMPTZ NOT NULL,
  failed_at TIMESTAMPTZ NOT NULL,
  function_version TEXT NOT NULL,
  record_key BLOB,
  raw BLOB,
  headers JSON NOT NULL,
  source_log TEXT NOT NULL,
  source_partition BIGINT NOT NULL,
  source_offset BIGINT NOT NULL,
  run TEXT NOT NULL,
  staged_at TIMESTAMPTZ NOT NULL
);
