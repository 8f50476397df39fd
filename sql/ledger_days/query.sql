WITH stored AS (
  SELECT log_id, CAST(SUM(stored + late) AS INT64) AS records
  FROM ledger_minutes
  WHERE minute >= TIMESTAMP(CAST(@date AS DATE))
    AND minute < TIMESTAMP(CAST(@date AS DATE) + 1)
  GROUP BY log_id
),
day_hops AS (
  SELECT
    log_id,
    hop,
    COUNT(*) AS minutes,
    COUNTIF(state = 'unproved') AS unproved,
    CAST(SUM(ABS(residue)) AS INT64) AS residue
  FROM ledger_residue
  WHERE minute >= TIMESTAMP(CAST(@date AS DATE))
    AND minute < TIMESTAMP(CAST(@date AS DATE) + 1)
  GROUP BY log_id, hop
)
SELECT
  CAST(@date AS DATE) AS received_date,
  day_hops.log_id,
  hop,
  COALESCE(records, 0) AS records,
  minutes,
  unproved,
  residue
FROM day_hops
LEFT JOIN stored ON stored.log_id = day_hops.log_id;
