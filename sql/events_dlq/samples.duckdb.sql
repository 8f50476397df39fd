-- Derived from samples.sql by scripts/derive-sql: change that one.
-- $1 from_time, $2 to_time, $3 most, $4 app_id, $5 reason
/* The latest dead letters, with the bytes as they were sent, and whether they wait: nothing has become */
/* of them yet. */
SELECT
  letter,
  reason,
  detail,
  app_id,
  attempts,
  held,
  EXISTS(
    SELECT
      1
    FROM letters
    WHERE
      letters.letter = latest.letter
      AND letters.attempts = latest.attempts
      AND letters.failed_at = latest.failed_at
      AND letters.source_partition = latest.source_partition
      AND letters.source_offset = latest.source_offset
      AND letters.failed_at >= $1
      AND letters.failed_at < $2
  ) AS waiting,
  received_at,
  failed_at,
  function_version,
  TO_BASE64(record_key) AS key_base64,
  TO_BASE64(raw) AS raw_base64,
  headers
FROM (
  SELECT
    *
  FROM events_dlq
  WHERE
    failed_at >= $1
    AND failed_at < $2
    AND (
      $4 IS NULL OR app_id = $4
    )
    AND (
      $5 IS NULL OR reason = $5
    )
  ORDER BY
    failed_at DESC,
    letter NULLS FIRST
  LIMIT $3
) AS latest
ORDER BY
  failed_at DESC,
  letter NULLS FIRST;
