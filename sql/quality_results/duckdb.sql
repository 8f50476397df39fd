-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS quality_results (
  event_date DATE NOT NULL,
  run_id TEXT NOT NULL,
  check_name TEXT NOT NULL,
  severity TEXT NOT NULL,
  passed BOOLEAN NOT NULL,
  broken_rows BIGINT NOT NULL,
  broken JSON,
  checked_at TIMESTAMPTZ NOT NULL
);
