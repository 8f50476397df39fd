-- Derived from count.sql by scripts/derive-sql: change that one.
-- $1 from_time, $2 to_time, $3 reason, $4 app_id, $5 function_version, $6 held
/* How many letters of a selection wait. */
SELECT
  COUNT(*) AS letters
FROM letters
WHERE
  failed_at >= $1
  AND failed_at < $2
  AND (
    $3 IS NULL OR reason = $3
  )
  AND (
    $4 IS NULL OR app_id = $4
  )
  AND (
    $5 IS NULL OR function_version = $5
  )
  AND (
    held OR NOT $6
  );
