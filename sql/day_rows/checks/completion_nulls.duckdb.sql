-- Derived from completion_nulls.sql by scripts/derive-sql: change that one.
-- $1 date
/* fail */
/* Of an app that sends moves_used or time_seconds, 1 % or more of the completions lack it. An app */
/* sends it if a completion of the day or of the 7 days before has it: one that stops is found too. */
WITH apps AS (
  SELECT
    app_id,
    COUNT(*) AS completions,
    COUNT(*) FILTER(WHERE
      moves_used IS NULL) AS without_moves,
    COUNT(*) FILTER(WHERE
      time_seconds IS NULL) AS without_time
  FROM day_rows
  WHERE
    event_date = $1 AND event_type = 1002
  GROUP BY
    app_id
), senders AS (
  SELECT
    app_id,
    COUNT(*) FILTER(WHERE
      NOT avg_moves IS NULL) > 0 AS sends_moves,
    COUNT(*) FILTER(WHERE
      NOT avg_time_seconds IS NULL) > 0 AS sends_time
  FROM level_metrics
  WHERE
    event_date BETWEEN CAST($1 AS DATE) - 7 AND CAST($1 AS DATE)
  GROUP BY
    app_id
)
SELECT
  apps.app_id,
  completions,
  without_moves,
  without_time
FROM apps
INNER JOIN senders
  ON senders.app_id = apps.app_id
WHERE
  (
    sends_moves AND without_moves * 100 >= completions
  )
  OR (
    sends_time AND without_time * 100 >= completions
  );
