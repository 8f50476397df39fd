-- Derived from days.sql by scripts/derive-sql: change that one.
-- $1 app_id, $2 from_time, $3 to_time
/* Players by day: active, new, sessions, and how many of those first seen on the day came back a day */
/* and a week later; nobody knows before anything has come of that later day, in the range or closed. */
/* Days that are not closed yet are counted from the rows as received. */
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
    $1 IS NULL OR app_id = $1
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
    event_date BETWEEN CAST($2 AS DATE) AND CAST($3 AS DATE)
    AND NOT event_date IN (
      SELECT
        event_date
      FROM user_daily_metrics
    )
    AND (
      $1 IS NULL OR app_id = $1
    )
  GROUP BY
    event_date,
    app_id,
    user_id
), reached /* Of any app: one that nobody plays any more has lost its players. */ AS (
  SELECT
    CASE
      WHEN MAX(event_date) IS NULL OR CAST($3 AS DATE) IS NULL
      THEN NULL
      ELSE LEAST(MAX(event_date), CAST($3 AS DATE))
    END AS last_day
  FROM (
    SELECT
      event_date
    FROM user_daily_metrics
    UNION ALL
    SELECT
      event_date
    FROM events
    WHERE
      event_date BETWEEN CAST($2 AS DATE) AND CAST($3 AS DATE)
  )
), closed /* What became of a player after the range is known too, where that day is closed. */ AS (
  SELECT DISTINCT
    event_date
  FROM user_daily_metrics
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
    event_date BETWEEN CAST($2 AS DATE) AND CAST($3 AS DATE)
  GROUP BY
    event_date
)
SELECT
  days.event_date,
  players,
  COALESCE(new_players, 0) AS new_players,
  sessions,
  events,
  CASE
    WHEN NOT next_day.event_date IS NULL
    OR DATE_DIFF('DAY', days.event_date, last_day) >= 1
    THEN ROUND(after_a_day / NULLIF(new_players, 0), 6)
    ELSE NULL
  END AS d1_retention,
  CASE
    WHEN NOT next_week.event_date IS NULL
    OR DATE_DIFF('DAY', days.event_date, last_day) >= 7
    THEN ROUND(after_a_week / NULLIF(new_players, 0), 6)
    ELSE NULL
  END AS d7_retention,
  provisional
FROM days
CROSS JOIN reached
LEFT JOIN returns
  ON returns.install_date = days.event_date
LEFT JOIN closed AS next_day
  ON next_day.event_date = (
    days.event_date + INTERVAL '1' DAY
  )
LEFT JOIN closed AS next_week
  ON next_week.event_date = (
    days.event_date + INTERVAL '7' DAY
  )
ORDER BY
  event_date NULLS FIRST;
