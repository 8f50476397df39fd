-- Derived from rows.sql by scripts/derive-sql: change that one.
-- $1 run_id
/* What a replay tells the ledger, each row once. */
SELECT
  log_id,
  hop,
  source,
  app_id,
  minute,
  seq,
  complete,
  closing,
  received,
  stored,
  rejected,
  deferred,
  late,
  failed,
  unknown,
  refused_bodies,
  read,
  accepted,
  duplicate,
  dead_lettered,
  expired,
  written_at
FROM staged_ledger
WHERE
  run = $1
QUALIFY
  ROW_NUMBER() OVER (PARTITION BY hop, app_id, minute ORDER BY written_at NULLS FIRST) = 1;
