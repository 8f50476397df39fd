-- Derived from broken.sql by scripts/derive-sql: change that one.
-- $1 most, $2 from_time, $3 to_time
/* Checks that did not pass in the latest run of each day. */
SELECT
  event_date,
  check_name,
  severity,
  broken_rows,
  broken,
  checked_at
FROM quality_results
WHERE
  event_date BETWEEN CAST($2 AS DATE) AND CAST($3 AS DATE)
QUALIFY
  NOT passed
  AND run_id = FIRST_VALUE(run_id) OVER (PARTITION BY event_date ORDER BY checked_at DESC)
ORDER BY
  event_date DESC,
  severity NULLS FIRST,
  check_name NULLS FIRST
LIMIT $1;
