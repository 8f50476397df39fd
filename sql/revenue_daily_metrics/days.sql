-- What days brought in, of all or of some platform and country. Payers add up over cells, so a player
-- in two of them is two; means are told only where one cell is asked for. Days that are not closed
-- yet are counted from the rows as received.
WITH sold AS (
  SELECT event_date, app_id, user_id, price_usd
  FROM events
  WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
    AND event_date NOT IN (SELECT event_date FROM revenue_daily_metrics)
    AND event_type = 2001
    AND price_usd IS NOT NULL
    AND (@app_id IS NULL OR app_id = @app_id)
  -- A purchase that comes again from elsewhere is none of that place.
  QUALIFY (@platform IS NULL OR COALESCE(platform, 'unknown') = @platform)
    AND (@country IS NULL OR COALESCE(country, 'unknown') = @country)
    AND ROW_NUMBER() OVER (
      -- Without a transaction it is the event that may have come twice.
      PARTITION BY
        app_id,
        NULLIF(transaction_id, ''),
        IF(NULLIF(transaction_id, '') IS NULL, event_id, NULL)
      ORDER BY received_at, event_id
    ) = 1
),
active AS (
  SELECT event_date, app_id, COUNT(DISTINCT user_id) AS users
  FROM events
  WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
    AND event_date NOT IN (SELECT event_date FROM revenue_daily_metrics)
    AND (@app_id IS NULL OR app_id = @app_id)
    AND (@platform IS NULL OR COALESCE(platform, 'unknown') = @platform)
    AND (@country IS NULL OR COALESCE(country, 'unknown') = @country)
  GROUP BY event_date, app_id
),
cells AS (
  SELECT event_date, purchases, payers, revenue_usd, arpdau, arppu, 0 AS provisional
  FROM revenue_daily_metrics
  WHERE event_date BETWEEN DATE(@from_time) AND DATE(@to_time)
    AND (@app_id IS NULL OR app_id = @app_id)
    AND IF(
      @platform IS NULL AND @country IS NULL,
      platform = 'all' AND country = 'all',
      platform = COALESCE(@platform, platform)
        AND country = COALESCE(@country, country)
        AND country <> 'all'
    )
  UNION ALL
  SELECT
    active.event_date,
    COUNT(sold.user_id),
    COUNT(DISTINCT IF(price_usd > 0, sold.user_id, NULL)),
    COALESCE(SUM(price_usd), 0),
    ROUND(COALESCE(SUM(price_usd), 0) / MAX(users), 6),
    ROUND(SUM(price_usd) / NULLIF(COUNT(DISTINCT IF(price_usd > 0, sold.user_id, NULL)), 0), 6),
    1
  FROM active
  LEFT JOIN sold ON sold.event_date = active.event_date AND sold.app_id = active.app_id
  GROUP BY active.event_date, active.app_id
)
SELECT
  event_date,
  CAST(SUM(purchases) AS INT64) AS purchases,
  CAST(SUM(payers) AS INT64) AS payers,
  CAST(SUM(revenue_usd) AS FLOAT64) AS revenue_usd,
  CAST(IF(COUNT(*) = 1, MAX(arpdau), NULL) AS FLOAT64) AS arpdau,
  CAST(IF(COUNT(*) = 1, MAX(arppu), NULL) AS FLOAT64) AS arppu,
  MAX(provisional) = 1 AS provisional
FROM cells
GROUP BY event_date
ORDER BY event_date;
