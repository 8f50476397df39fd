-- How many letters of a selection wait.
SELECT COUNT(*) AS letters
FROM letters
WHERE
  failed_at >= @from_time
  AND failed_at < @to_time
  AND (@reason IS NULL OR reason = @reason)
  AND (@app_id IS NULL OR app_id = @app_id)
  AND (@function_version IS NULL OR function_version = @function_version)
  AND (held OR NOT @held);
