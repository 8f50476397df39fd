-- One day of play, made of the numbers from $1 on, up to before $2; the day is $3. The same on every
-- machine: what looks like chance is multiplication. Of a hundred events one was sent twice.
INSERT INTO events BY NAME
WITH numbers AS (
  SELECT
    range AS n,
    CASE WHEN range % 100 = 99 THEN range - 1 ELSE range END AS id,
    range * 48271 % 200003 AS player,
    range * 2654435761 % 4294967296 // 65536 % 100 AS kind,
    range * 40503 % 65536 AS chance,
    TIMESTAMPTZ '1970-01-01 00:00:00+00' + INTERVAL (CAST($3 AS BIGINT)) DAY
      + INTERVAL (range * 86399000 // $4) MILLISECOND AS timestamp
  FROM range($1, $2)
),
kinds AS (
  SELECT
    *,
    CASE
      WHEN kind < 45 THEN 1001
      WHEN kind < 75 THEN 1002
      WHEN kind < 92 THEN 1003
      WHEN kind < 98 THEN 3002
      WHEN kind < 99 THEN 2001
      ELSE 9001
    END AS event_type,
    CAST(sqrt(CAST(chance * 4 AS DOUBLE)) AS BIGINT) AS level
  FROM numbers
)
SELECT
  printf('%08x-5d1e-4c1b-8a51-%012x', id * 2654435761 % 4294967296, id) AS event_id,
  'local' AS app_id,
  printf('player-%06d', player) AS user_id,
  printf('session-%06d-%d', player, n * 8 // $4) AS session_id,
  event_type,
  CASE event_type
    WHEN 1001 THEN 'level_start' WHEN 1002 THEN 'level_complete' WHEN 1003 THEN 'level_fail'
    WHEN 3002 THEN 'session_end' WHEN 2001 THEN 'purchase'
  END AS event_name,
  timestamp,
  CAST(timestamp AS DATE) AS event_date,
  EXTRACT(HOUR FROM timestamp) AS event_hour,
  EXTRACT(ISODOW FROM timestamp) - 1 AS day_of_week,
  timestamp + INTERVAL (chance % 3000) MILLISECOND AS received_at,
  printf('{"level_id":"%d","moves_used":%d,"time_seconds":%d}', level, chance % 40, chance % 300)
    AS parameters,
  CASE player % 3 WHEN 0 THEN 'ios' WHEN 1 THEN 'android' ELSE 'web' END AS platform,
  '1.4.' || (player % 7) AS app_version,
  ['US', 'DE', 'JP', 'BR', 'IN', 'GB', 'FR', 'KR', 'MX', 'ID'][player % 11 + 1] AS country,
  'phone' AS device_category,
  'mid' AS device_tier,
  player % 40 = 0 AS is_paying_user,
  player % 90 AS days_since_install,
  CASE WHEN event_type < 2000 THEN CAST(level AS TEXT) END AS level_id,
  CASE WHEN event_type IN (1002, 1003) THEN chance % 40 END AS moves_used,
  CASE WHEN event_type IN (1002, 1003) THEN chance % 3000 / 10 END AS time_seconds,
  CASE WHEN event_type IN (1002, 1003) AND chance % 5 = 0 THEN ['hammer', 'swap'] END
    AS boosters_used,
  CASE WHEN event_type = 3002 THEN chance % 1800 END AS duration_sec,
  CASE WHEN event_type = 2001 THEN CAST(chance % 20 AS DECIMAL(38, 9)) + 0.99 END AS price_usd,
  CASE WHEN event_type = 2001 THEN printf('t-%d', id // 2) END AS transaction_id,
  true AS counted,
  'bench' AS source_log,
  player % 64 AS source_partition,
  n AS source_offset
FROM kinds;
