-- Derived from of_run.sql by scripts/derive-sql: change that one.
-- $1 date, $2 run_id
/* What the checks of a run found. */
SELECT
  check_name,
  broken_rows,
  checked_at
FROM quality_results
WHERE
  event_date = $1 AND run_id = $2
ORDER BY
  check_name NULLS FIRST;
