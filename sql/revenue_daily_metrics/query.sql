-- No country is called all, so the row of the day is no cell.
WITH users AS (
  SELECT
    event_date,
    app_id,
    COALESCE(platform, 'unknown') AS platform,
    COALESCE(country, 'unknown') AS country,
    COUNT(DISTINCT user_id) AS active_users
  FROM day_rows
  WHERE event_date = @date
  GROUP BY event_date, app_id, COALESCE(platform, 'unknown'), COALESCE(country, 'unknown')
  UNION ALL
  SELECT event_date, app_id, 'all', 'all', COUNT(DISTINCT user_id)
  FROM day_rows
  WHERE event_date = @date
  GROUP BY event_date, app_id
),
paid AS (
  SELECT
    app_id,
    COALESCE(platform, 'unknown') AS platform,
    COALESCE(country, 'unknown') AS country,
    user_id,
    price_usd
  FROM purchases_counted
  WHERE event_date = @date
  UNION ALL
  SELECT app_id, 'all', 'all', user_id, price_usd
  FROM purchases_counted
  WHERE event_date = @date
),
revenue AS (
  SELECT
    app_id,
    platform,
    country,
    COUNT(*) AS purchases,
    COUNT(DISTINCT IF(price_usd > 0, user_id, NULL)) AS payers,
    SUM(price_usd) AS revenue_usd
  FROM paid
  GROUP BY app_id, platform, country
),
cells AS (
  SELECT
    users.event_date,
    users.app_id,
    users.platform,
    users.country,
    active_users,
    COALESCE(purchases, 0) AS purchases,
    COALESCE(payers, 0) AS payers,
    NULLIF(payers, 0) AS divisor,
    COALESCE(revenue_usd, 0) AS revenue_usd
  FROM users
  LEFT JOIN revenue
    ON revenue.app_id = users.app_id
    AND revenue.platform = users.platform
    AND revenue.country = users.country
),
remainders AS (
  SELECT
    cells.*,
    MOD(revenue_usd, active_users) AS of_users,
    MOD(revenue_usd, divisor) AS of_payers
  FROM cells
)
-- Means are rounded as whole numbers, which is exact on every engine: whole dollars, and what
-- remains in millionths. Operands of DIV stand in brackets of their own, which translators need.
SELECT
  event_date,
  app_id,
  platform,
  country,
  purchases,
  payers,
  revenue_usd,
  DIV(CAST(revenue_usd - of_users AS INT64), active_users)
    + DIV((CAST(of_users * 2000000000 AS INT64) + 1000 * active_users), (2000 * active_users))
    * NUMERIC '0.000001' AS arpdau,
  DIV(CAST(revenue_usd - of_payers AS INT64), divisor)
    + DIV((CAST(of_payers * 2000000000 AS INT64) + 1000 * divisor), (2000 * divisor))
    * NUMERIC '0.000001' AS arppu
FROM remainders;
