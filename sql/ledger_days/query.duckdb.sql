-- Derived from query.sql by scripts/derive-sql: change that one.
-- $1 date
WITH stored AS (
  SELECT
    log_id,
    CAST(SUM(stored + late) AS BIGINT) AS records
  FROM ledger_minutes
  WHERE
    minute >= CAST(CAST($1 AS DATE) AS TIMESTAMPTZ)
    AND minute < CAST(CAST($1 AS DATE) + 1 AS TIMESTAMPTZ)
  GROUP BY
    log_id
), day_hops AS MATERIALIZED (
  SELECT
    log_id,
    hop,
    COUNT(*) AS minutes,
    COUNT(*) FILTER(WHERE
      state = 'unproved') AS unproved,
    CAST(SUM(ABS(residue)) AS BIGINT) AS residue
  FROM ledger_residue
  WHERE
    minute >= CAST(CAST($1 AS DATE) AS TIMESTAMPTZ)
    AND minute < CAST(CAST($1 AS DATE) + 1 AS TIMESTAMPTZ)
  GROUP BY
    log_id,
    hop
)
SELECT
  CAST($1 AS DATE) AS received_date,
  day_hops.log_id,
  hop,
  COALESCE(records, 0) AS records,
  minutes,
  unproved,
  residue
FROM day_hops
LEFT JOIN stored
  ON stored.log_id = day_hops.log_id;
