-- Derived from query.sql by scripts/derive-sql: change that one.
-- $1 date
/* 1001 is level_start; the outcomes are 1002, level_complete, and 1003, level_fail. */
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
    COUNT(*) FILTER(WHERE
      event_type <> 1001 AND ARRAY_LENGTH(boosters_used) > 0) AS boosted,
    SUM(
      CASE
        WHEN event_type = 1002
        THEN CAST(ROUND(time_seconds * 1000000) AS BIGINT)
        ELSE NULL
      END
    ) AS time_sum, /* Whole microseconds: a sum of fractions would change with the order of its parts. */
    COUNT(*) FILTER(WHERE
      event_type = 1002 AND NOT time_seconds IS NULL) AS timed
  FROM day_rows
  WHERE
    event_date = $1 AND event_type IN (1001, 1002, 1003) AND NOT level_id IS NULL
  GROUP BY
    event_date,
    app_id,
    level_id,
    user_id
), levels AS (
  SELECT
    event_date,
    app_id,
    level_id,
    CAST(SUM(CASE WHEN starts > outcomes THEN starts ELSE outcomes END) AS BIGINT) AS attempts,
    CAST(SUM(starts) AS BIGINT) AS starts,
    CAST(SUM(completions) AS BIGINT) AS completions,
    CAST(SUM(boosted) AS BIGINT) AS boosted,
    CAST(SUM(time_sum) AS BIGINT) AS time_sum,
    CAST(NULLIF(SUM(timed), 0) AS BIGINT) AS timed,
    COUNT(*) AS unique_players,
    COUNT(*) FILTER(WHERE
      starts > 0) AS starters
  FROM players
  GROUP BY
    event_date,
    app_id,
    level_id
), counts /* Nearest rank: the lowest value with enough values at or below it. */ AS (
  SELECT
    app_id,
    level_id,
    moves_used,
    COUNT(*) AS completions
  FROM day_rows
  WHERE
    event_date = $1
    AND event_type = 1002
    AND NOT level_id IS NULL
    AND NOT moves_used IS NULL
  GROUP BY
    app_id,
    level_id,
    moves_used
), ranks AS (
  SELECT
    app_id,
    level_id,
    moves_used,
    moves_used * completions AS moves_sum,
    completions,
    SUM(completions) OVER (PARTITION BY app_id, level_id ORDER BY moves_used NULLS FIRST) AS up_to,
    SUM(completions) OVER (PARTITION BY app_id, level_id) AS all_of_it
  FROM counts
), moves AS (
  SELECT
    app_id,
    level_id,
    CAST(SUM(moves_sum) AS BIGINT) AS moves_sum,
    CAST(SUM(completions) AS BIGINT) AS counted,
    MIN(CASE WHEN up_to * 100 >= all_of_it * 50 THEN moves_used ELSE NULL END) AS p50_moves,
    MIN(CASE WHEN up_to * 100 >= all_of_it * 95 THEN moves_used ELSE NULL END) AS p95_moves
  FROM ranks
  GROUP BY
    app_id,
    level_id
)
SELECT
  levels.event_date,
  levels.app_id,
  levels.level_id,
  attempts,
  completions,
  completions / attempts AS pass_rate,
  (
    moves_sum // counted * 1000000 + (
      moves_sum % counted * 2000000 + counted
    ) // (
      2 * counted
    )
  ) /* Means are rounded as whole numbers, which is exact on every engine. */ / 1000000 AS avg_moves,
  p50_moves,
  p95_moves,
  (
    time_sum // timed + CASE WHEN 2 * (time_sum % timed) >= timed THEN 1 ELSE 0 END
  ) / 1000000 AS avg_time_seconds,
  unique_players,
  boosted / attempts AS booster_usage_rate,
  (
    starts - starters
  ) / NULLIF(starts, 0) AS retry_rate
FROM levels
LEFT JOIN moves
  ON moves.app_id = levels.app_id AND moves.level_id = levels.level_id;
