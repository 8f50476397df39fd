-- Derived from days.sql by scripts/derive-sql: change that one.
-- $1 to_time, $2 app_id, $3 from_time
/* Players by day: active, new, sessions, and how many of those first seen on the day came back a day */
/* and a week later. Days that are not closed yet are counted from the rows as received. */
WITH played AS (
  SELECT
    event_date,
    app_id,
    user_id,
    sessions,
    events,
    0 AS provisional
  FROM user_daily_metrics
  WHERE
    $2 IS NULL OR app_id = $2
  UNION ALL
  SELECT
    event_date,
    app_id,
    user_id,
    COUNT(DISTINCT session_id),
    COUNT(*),
    1
  FROM events
  WHERE
    event_date BETWEEN CAST($3 AS DATE) AND CAST($1 AS DATE)
    AND NOT event_date IN (
      SELECT
        event_date
      FROM user_daily_metrics
    )
    AND (
      $2 IS NULL OR app_id = $2
    )
  GROUP BY
    event_date,
    app_id,
    user_id
), firsts AS (
  SELECT
    app_id,
    user_id,
    MIN(event_date) AS install_date
  FROM played
  GROUP BY
    app_id,
    user_id
), returns AS (
  SELECT
    install_date,
    COUNT(*) FILTER(WHERE
      event_date = install_date) AS new_players,
    COUNT(*) FILTER(WHERE
      DATE_DIFF('DAY', install_date, event_date) = 1) AS after_a_day,
    COUNT(*) FILTER(WHERE
      DATE_DIFF('DAY', install_date, event_date) = 7) AS after_a_week
  FROM played
  INNER JOIN firsts
    ON firsts.app_id = played.app_id AND firsts.user_id = played.user_id
  GROUP BY
    install_date
), days AS (
  SELECT
    event_date,
    COUNT(*) AS players,
    CAST(SUM(sessions) AS BIGINT) AS sessions,
    CAST(SUM(events) AS BIGINT) AS events,
    MAX(provisional) = 1 AS provisional
  FROM played
  WHERE
    event_date BETWEEN CAST($3 AS DATE) AND CAST($1 AS DATE)
  GROUP BY
    event_date
)
SELECT
  event_date,
  players,
  COALESCE(new_players, 0) AS new_players,
  sessions,
  events,
  CASE
    WHEN DATE_DIFF('DAY', event_date, CAST($1 AS DATE)) >= 1
    THEN ROUND(after_a_day / NULLIF(new_players, 0), 6)
    ELSE NULL
  END AS d1_retention,
  CASE
    WHEN DATE_DIFF('DAY', event_date, CAST($1 AS DATE)) >= 7
    THEN ROUND(after_a_week / NULLIF(new_players, 0), 6)
    ELSE NULL
  END AS d7_retention,
  provisional
FROM days
LEFT JOIN returns
  ON returns.install_date = days.event_date
ORDER BY
  event_date NULLS FIRST;
