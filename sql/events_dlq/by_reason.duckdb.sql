-- Derived from by_reason.sql by scripts/derive-sql: change that one.
-- $1 from_time, $2 to_time, $3 app_id
/* Dead letters by reason: how many came, and how many still wait to be brought back. */
WITH waits AS (
  SELECT
    reason,
    COUNT(*) AS waiting,
    COUNT(*) FILTER(WHERE
      held) AS held
  FROM letters
  WHERE
    failed_at >= $1 AND failed_at < $2 AND (
      $3 IS NULL OR app_id = $3
    )
  GROUP BY
    reason
), letters_written AS (
  SELECT
    reason,
    COUNT(*) AS written,
    MIN(failed_at) AS first_at,
    MAX(failed_at) AS last_at
  FROM events_dlq
  WHERE
    failed_at >= $1 AND failed_at < $2 AND (
      $3 IS NULL OR app_id = $3
    )
  GROUP BY
    reason
)
SELECT
  letters_written.reason,
  written,
  COALESCE(waiting, 0) AS waiting,
  COALESCE(held, 0) AS held,
  first_at,
  last_at
FROM letters_written
LEFT JOIN waits
  ON waits.reason = letters_written.reason
ORDER BY
  written DESC,
  reason NULLS FIRST;
