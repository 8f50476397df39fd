-- Derived from definition.sql by scripts/derive-sql: change that one.
CREATE TABLE IF NOT EXISTS lookup_versions (
  loaded_at TIMESTAMPTZ NOT NULL,
  function_version TEXT NOT NULL,
  "lookup" TEXT NOT NULL,
  version TEXT NOT NULL
);
