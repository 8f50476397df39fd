-- Derived from samples.sql by scripts/derive-sql: change that one.
-- $1 most, $2 from_time, $3 to_time, $4 app_id, $5 reason
/* The latest dead letters, with the bytes as they were sent. */
SELECT
  letter,
  reason,
  detail,
  app_id,
  attempts,
  held,
  received_at,
  failed_at,
  function_version,
  TO_BASE64(record_key) AS key_base64,
  TO_BASE64(raw) AS raw_base64,
  headers
FROM events_dlq
WHERE
  failed_at >= $2
  AND failed_at < $3
  AND (
    $4 IS NULL OR app_id = $4
  )
  AND (
    $5 IS NULL OR reason = $5
  )
ORDER BY
  failed_at DESC,
  letter NULLS FIRST
LIMIT $1;
