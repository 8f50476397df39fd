-- fail
-- Of an app that sends moves_used or time_seconds, 1 % or more of the completions lack it. An app
-- sends it if a completion of the day or of the 7 days before has it: one that stops is found too.
WITH apps AS (
  SELECT
    app_id,
    COUNT(*) AS completions,
    COUNTIF(moves_used IS NULL) AS without_moves,
    COUNTIF(time_seconds IS NULL) AS without_time
  FROM day_rows
  WHERE event_date = @date AND event_type = 1002
  GROUP BY app_id
),
senders AS (
  SELECT
    app_id,
    COUNTIF(avg_moves IS NOT NULL) > 0 AS sends_moves,
    COUNTIF(avg_time_seconds IS NOT NULL) > 0 AS sends_time
  FROM level_metrics
  WHERE event_date BETWEEN CAST(@date AS DATE) - 7 AND CAST(@date AS DATE)
  GROUP BY app_id
)
SELECT apps.app_id, completions, without_moves, without_time
FROM apps
INNER JOIN senders ON senders.app_id = apps.app_id
WHERE (sends_moves AND without_moves * 100 >= completions)
  OR (sends_time AND without_time * 100 >= completions);
