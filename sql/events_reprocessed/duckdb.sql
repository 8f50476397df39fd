-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS events_reprocessed (
  letter TEXT NOT NULL,
  attempts BIGINT NOT NULL,
  outcome TEXT NOT NULL,
  run TEXT,
  app_id TEXT,
  judged_at TIMESTAMPTZ NOT NULL,
  source_log TEXT NOT NULL,
  source_partition BIGINT NOT NULL,
  source_offset BIGINT NOT NULL
);
