-- The next letters of a selection that wait, in the order in which they are brought back.
SELECT letter, attempts, reason, detail, received_at, failed_at, record_key, raw, headers, source_partition
FROM letters
WHERE
  failed_at >= @from_time
  AND failed_at < @to_time
  AND (@reason IS NULL OR reason = @reason)
  AND (@app_id IS NULL OR app_id = @app_id)
  AND (@function_version IS NULL OR function_version = @function_version)
  AND (held OR NOT @held)
  AND (
    failed_at > @after_failed_at
    OR (failed_at = @after_failed_at AND letter > @after_letter)
  )
ORDER BY failed_at, letter
LIMIT @most;
