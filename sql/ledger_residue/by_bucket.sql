-- Every hop's minutes by what is known of them, in buckets of some seconds; what is missing in those
-- that are closed.
SELECT
  TIMESTAMP_SECONDS(DIV(UNIX_SECONDS(minute), @bucket_seconds) * @bucket_seconds) AS bucket,
  hop,
  COUNT(DISTINCT IF(state = 'open', minute, NULL)) AS open,
  COUNT(DISTINCT IF(state = 'unproved', minute, NULL)) AS unproved,
  COUNT(DISTINCT IF(state = 'proved', minute, NULL)) AS proved,
  CAST(SUM(IF(state = 'open', 0, residue)) AS INT64) AS residue,
  MIN(IF(state <> 'open' AND residue <> 0, minute, NULL)) AS first_missing
FROM ledger_residue
WHERE minute >= @from_time
  AND minute < @to_time
  AND (@app_id IS NULL OR app_id = @app_id)
GROUP BY bucket, hop
ORDER BY bucket, hop;
