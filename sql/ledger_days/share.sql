-- What is missing of a day, and of how many records; and whether that was ever counted.
SELECT
  CAST(COALESCE(SUM(residue), 0) AS INT64) AS residue,
  CAST(COALESCE(SUM(IF(hop = 'log', records, 0)), 0) AS INT64) AS records,
  COUNT(*) > 0 AS frozen
FROM ledger_days
WHERE received_date = @date;
