-- Derived from days.sql by scripts/derive-sql: change that one.
-- $1 from_time, $2 to_time, $3 app_id, $4 platform, $5 country
/* What days brought in, of all or of some platform and country. Payers add up over cells, so a player */
/* in two of them is two; means are told only where one cell is asked for. Days that are not closed */
/* yet are counted from the rows as received. */
WITH sold AS (
  SELECT
    event_date,
    app_id,
    user_id,
    price_usd
  FROM events
  WHERE
    event_date BETWEEN CAST($1 AS DATE) AND CAST($2 AS DATE)
    AND NOT event_date IN (
      SELECT
        event_date
      FROM revenue_daily_metrics
    )
    AND event_type = 2001
    AND NOT price_usd IS NULL
    AND (
      $3 IS NULL OR app_id = $3
    )
  QUALIFY
    (
      $4 IS NULL OR COALESCE(platform, 'unknown') = $4
    )
    AND (
      $5 IS NULL OR COALESCE(country, 'unknown') = $5
    )
    AND ROW_NUMBER() OVER (
      PARTITION BY app_id, NULLIF(transaction_id, ''), CASE WHEN NULLIF(transaction_id, '') IS NULL THEN event_id ELSE NULL END
      ORDER BY received_at NULLS FIRST, event_id NULLS FIRST
    ) = 1
), active AS (
  SELECT
    event_date,
    app_id,
    COUNT(DISTINCT user_id) AS users
  FROM events
  WHERE
    event_date BETWEEN CAST($1 AS DATE) AND CAST($2 AS DATE)
    AND NOT event_date IN (
      SELECT
        event_date
      FROM revenue_daily_metrics
    )
    AND (
      $3 IS NULL OR app_id = $3
    )
    AND (
      $4 IS NULL OR COALESCE(platform, 'unknown') = $4
    )
    AND (
      $5 IS NULL OR COALESCE(country, 'unknown') = $5
    )
  GROUP BY
    event_date,
    app_id
), cells AS (
  SELECT
    event_date,
    purchases,
    payers,
    revenue_usd,
    arpdau,
    arppu,
    0 AS provisional
  FROM revenue_daily_metrics
  WHERE
    event_date BETWEEN CAST($1 AS DATE) AND CAST($2 AS DATE)
    AND (
      $3 IS NULL OR app_id = $3
    )
    AND CASE
      WHEN $4 IS NULL AND $5 IS NULL
      THEN platform = 'all' AND country = 'all'
      ELSE platform = COALESCE($4, platform)
      AND country = COALESCE($5, country)
      AND country <> 'all'
    END
  UNION ALL
  SELECT
    active.event_date,
    COUNT(sold.user_id),
    COUNT(DISTINCT CASE WHEN price_usd > 0 THEN sold.user_id ELSE NULL END),
    COALESCE(SUM(price_usd), 0),
    ROUND(COALESCE(SUM(price_usd), 0) / MAX(users), 6),
    ROUND(
      SUM(price_usd) / NULLIF(COUNT(DISTINCT CASE WHEN price_usd > 0 THEN sold.user_id ELSE NULL END), 0),
      6
    ),
    1
  FROM active
  LEFT JOIN sold
    ON sold.event_date = active.event_date AND sold.app_id = active.app_id
  GROUP BY
    active.event_date,
    active.app_id
)
SELECT
  event_date,
  CAST(SUM(purchases) AS BIGINT) AS purchases,
  CAST(SUM(payers) AS BIGINT) AS payers,
  CAST(SUM(revenue_usd) AS DOUBLE) AS revenue_usd,
  CAST(CASE WHEN COUNT(*) = 1 THEN MAX(arpdau) ELSE NULL END AS DOUBLE) AS arpdau,
  CAST(CASE WHEN COUNT(*) = 1 THEN MAX(arppu) ELSE NULL END AS DOUBLE) AS arppu,
  MAX(provisional) = 1 AS provisional
FROM cells
GROUP BY
  event_date
ORDER BY
  event_date NULLS FIRST;
