-- The latest dead letters, with the bytes as they were sent.
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
WHERE failed_at >= @from_time
  AND failed_at < @to_time
  AND (@app_id IS NULL OR app_id = @app_id)
  AND (@reason IS NULL OR reason = @reason)
ORDER BY failed_at DESC, letter
LIMIT @most;
