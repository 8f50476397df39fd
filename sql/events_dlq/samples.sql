-- The latest dead letters, with the bytes as they were sent, and whether they wait: nothing has become
-- of them yet.
SELECT
  letter,
  reason,
  detail,
  app_id,
  attempts,
  held,
  EXISTS (
    SELECT 1
    FROM letters
    WHERE letters.letter = latest.letter
      AND letters.attempts = latest.attempts
      AND letters.failed_at = latest.failed_at
      AND letters.source_partition = latest.source_partition
      AND letters.source_offset = latest.source_offset
      AND letters.failed_at >= @from_time
      AND letters.failed_at < @to_time
  ) AS waiting,
  received_at,
  failed_at,
  function_version,
  TO_BASE64(record_key) AS key_base64,
  TO_BASE64(raw) AS raw_base64,
  headers
FROM (
  SELECT *
  FROM events_dlq
  WHERE failed_at >= @from_time
    AND failed_at < @to_time
    AND (@app_id IS NULL OR app_id = @app_id)
    AND (@reason IS NULL OR reason = @reason)
  ORDER BY failed_at DESC, letter
  LIMIT @most
) AS latest
ORDER BY failed_at DESC, letter;
