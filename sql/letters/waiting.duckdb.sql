-- Derived from waiting.sql by scripts/derive-sql: change that one.
-- $1 most, $2 from_time, $3 to_time, $4 reason, $5 app_id, $6 function_version, $7 held, $8 after_failed_at, $9 after_letter
/* The next letters of a selection that wait, in the order in which they are brought back. */
SELECT
  letter,
  attempts,
  reason,
  detail,
  received_at,
  failed_at,
  record_key,
  raw,
  headers,
  source_partition
FROM letters
WHERE
  failed_at >= $2
  AND failed_at < $3
  AND (
    $4 IS NULL OR reason = $4
  )
  AND (
    $5 IS NULL OR app_id = $5
  )
  AND (
    $6 IS NULL OR function_version = $6
  )
  AND (
    held OR NOT $7
  )
  AND (
    failed_at > $8 OR (
      failed_at = $8 AND letter > $9
    )
  )
ORDER BY
  failed_at NULLS FIRST,
  letter NULLS FIRST
LIMIT $1;
