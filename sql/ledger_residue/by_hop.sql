SELECT
  hop,
  COUNT(DISTINCT minute) AS minutes,
  COUNT(DISTINCT CASE WHEN state = 'open' THEN minute END) AS open,
  COUNT(DISTINCT CASE WHEN state = 'unproved' THEN minute END) AS unproved,
  SUM(residue) AS residue
FROM ledger_residue
GROUP BY hop
ORDER BY CASE hop WHEN 'ingest' THEN 1 WHEN 'log' THEN 2 WHEN 'process' THEN 3 ELSE 4 END
