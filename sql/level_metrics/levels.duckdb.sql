-- Derived from levels.sql by scripts/derive-sql: change that one.
-- $1 most, $2 from_time, $3 to_time, $4 app_id
/* How levels were played over some days, the most played first: level ids that somebody made up do not */
/* push those of the game out. Days that are not closed yet are counted from the rows as received, and are */
/* provisional. */
WITH players AS (
  SELECT
    event_date,
    app_id,
    level_id,
    user_id,
    COUNT(*) FILTER(WHERE
      event_type = 1001) AS starts,
    COUNT(*) FILTER(WHERE
      event_type = 1002) AS completions,
    COUNT(*) FILTER(WHERE
      event_type <> 1001) AS outcomes,
    SUM(CASE WHEN event_type = 1002 THEN moves_used ELSE NULL END) AS moves,
    COUNT(*) FILTER(WHERE
      event_type = 1002 AND NOT moves_used IS NULL) AS moves_counted
  FROM events
  WHERE
    event_date BETWEEN CAST($2 AS DATE) AND CAST($3 AS DATE)
    AND NOT event_date IN (
      SELECT
        event_date
      FROM level_metrics
    )
    AND event_type IN (1001, 1002, 1003)
    AND NOT level_id IS NULL
    AND (
      $4 IS NULL OR app_id = $4
    )
  GROUP BY
    event_date,
    app_id,
    level_id,
    user_id
), started AS (
  SELECT
    event_date,
    app_id,
    level_id,
    SUM(events) AS starts
  FROM events_1min_parts
  WHERE
    event_date BETWEEN CAST($2 AS DATE) AND CAST($3 AS DATE)
    AND window_start >= CAST(CAST($2 AS DATE) AS TIMESTAMPTZ)
    AND window_start < CAST(CAST($3 AS DATE) + INTERVAL '1' DAY AS TIMESTAMPTZ)
    AND event_type = 1001
    AND NOT level_id IS NULL
  GROUP BY
    event_date,
    app_id,
    level_id
), days /* How many completions had moves, a closed day does not tell: it weighs in the mean by all of them. Where */ /* its check has passed, fewer than 1 % of an app's had none. */ AS (
  SELECT
    level_metrics.level_id,
    attempts,
    completions,
    COALESCE(starts, 0) AS starts,
    retry_rate * starts AS retries,
    avg_moves * completions AS moves,
    CASE WHEN avg_moves IS NULL THEN 0 ELSE completions END AS moves_counted,
    unique_players,
    0 AS provisional
  FROM level_metrics
  LEFT JOIN started
    ON started.event_date = level_metrics.event_date
    AND started.app_id = level_metrics.app_id
    AND started.level_id = level_metrics.level_id
  WHERE
    level_metrics.event_date BETWEEN CAST($2 AS DATE) AND CAST($3 AS DATE)
    AND (
      $4 IS NULL OR level_metrics.app_id = $4
    )
  UNION ALL
  SELECT
    level_id,
    SUM(
      CASE
        WHEN starts IS NULL OR outcomes IS NULL
        THEN NULL
        ELSE GREATEST(starts, outcomes)
      END
    ),
    SUM(completions),
    SUM(starts),
    SUM(starts) - COUNT(*) FILTER(WHERE
      starts > 0),
    SUM(moves),
    SUM(moves_counted),
    COUNT(*),
    1
  FROM players
  GROUP BY
    event_date,
    app_id,
    level_id
)
SELECT
  level_id,
  CAST(SUM(starts) AS BIGINT) AS starts,
  CAST(SUM(attempts) AS BIGINT) AS attempts,
  CAST(SUM(completions) AS BIGINT) AS completions,
  ROUND(SUM(completions) / SUM(attempts), 6) AS pass_rate,
  ROUND(SUM(retries) / NULLIF(SUM(starts), 0), 6) AS retry_rate,
  ROUND(SUM(moves) / NULLIF(SUM(moves_counted), 0), 6) AS avg_moves,
  CAST(SUM(unique_players) AS BIGINT) AS player_days,
  MAX(provisional) = 1 AS provisional
FROM days
GROUP BY
  level_id
ORDER BY
  attempts DESC,
  level_id NULLS FIRST
LIMIT $1;
