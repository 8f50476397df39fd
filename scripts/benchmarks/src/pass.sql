-- What the core does, as one pass of SQL: parse, validate, take the typed columns, look devices up,
-- deduplicate, count minutes, keep dead letters. It does a little less: no geography, no check for
-- surrogates or for members given twice, no enriched JSON.
CREATE OR REPLACE TEMP TABLE judged AS
WITH parsed AS (
  SELECT
    line,
    received_at,
    CASE WHEN json_valid(line) THEN line::JSON END AS j
  FROM raw
),
taken AS (
  SELECT
    line,
    received_at,
    j IS NULL AS malformed,
    j ->> '$.id' AS event_id,
    j ->> '$.user_id' AS user_id,
    j ->> '$.session_id' AS session_id,
    try_cast(j ->> '$.timestamp' AS TIMESTAMPTZ) AS timestamp,
    try_cast(j ->> '$.type' AS BIGINT) AS event_type,
    j -> '$.parameters' AS parameters,
    j ->> '$.app_version' AS app_version,
    j ->> '$.platform' AS platform,
    j ->> '$.device_model' AS device_model,
    try_cast(j ->> '$.is_paying_user' AS BOOLEAN) AS is_paying_user,
    try_cast(j ->> '$.installed_at' AS TIMESTAMPTZ) AS installed_at,
    json_type(j, '$.parameters.level_id') AS level_kind,
    j ->> '$.parameters.level_id' AS level_id,
    json_type(j, '$.parameters.price_usd') AS price_kind,
    try_cast(j ->> '$.parameters.moves_used' AS BIGINT) AS moves_used,
    try_cast(j ->> '$.parameters.time_seconds' AS DOUBLE) AS time_seconds,
    (j -> '$.parameters.boosters_used')::VARCHAR[] AS boosters_used,
    try_cast(j ->> '$.parameters.duration_sec' AS DOUBLE) AS duration_sec,
    try_cast(j ->> '$.parameters.price_usd' AS DECIMAL(38, 9)) AS price_usd,
    j ->> '$.parameters.transaction_id' AS transaction_id
  FROM parsed
)
SELECT
  taken.*,
  CASE
    WHEN malformed THEN 'malformed_json'
    WHEN event_id IS NULL OR user_id IS NULL THEN 'missing_field'
    WHEN timestamp IS NULL THEN 'invalid_timestamp'
    WHEN timestamp > received_at + INTERVAL 1 HOUR THEN 'timestamp_in_future'
    WHEN timestamp < received_at - INTERVAL 365 DAY THEN 'timestamp_too_old'
    WHEN event_type IN (1001, 1002, 1003)
      AND (coalesce(level_kind, 'NULL') NOT IN ('VARCHAR', 'UBIGINT', 'BIGINT')
           OR moves_used NOT BETWEEN 0 AND 1000000
           OR time_seconds NOT BETWEEN 0 AND 86400) THEN 'invalid_parameters'
    WHEN event_type = 2001
      AND (coalesce(price_kind, 'NULL') NOT IN ('DOUBLE', 'UBIGINT', 'BIGINT')
           OR price_usd NOT BETWEEN 0 AND 10000) THEN 'invalid_parameters'
    WHEN event_type = 3002 AND duration_sec NOT BETWEEN 0 AND 86400 THEN 'invalid_parameters'
  END AS reason,
  row_number() OVER (PARTITION BY event_id ORDER BY received_at) AS occurrence
FROM taken;

CREATE OR REPLACE TEMP TABLE accepted AS
SELECT
  event_id, user_id, session_id, event_type,
  CASE event_type
    WHEN 1001 THEN 'level_start' WHEN 1002 THEN 'level_complete' WHEN 1003 THEN 'level_fail'
    WHEN 2001 THEN 'purchase' WHEN 3002 THEN 'session_end'
  END AS event_name,
  timestamp, timestamp::DATE AS event_date, hour(timestamp) AS event_hour,
  isodow(timestamp) - 1 AS day_of_week, received_at, parameters, platform, app_version,
  category AS device_category, tier AS device_tier, is_paying_user,
  date_diff('day', installed_at::DATE, timestamp::DATE) AS days_since_install,
  level_id, moves_used, time_seconds, boosters_used, duration_sec, price_usd, transaction_id
FROM judged
LEFT JOIN devices ON model = lower(device_model)
WHERE reason IS NULL AND occurrence = 1;

CREATE OR REPLACE TEMP TABLE letters AS
SELECT line, received_at, reason FROM judged WHERE reason IS NOT NULL;

CREATE OR REPLACE TEMP TABLE minutes AS
SELECT date_trunc('minute', timestamp) AS window_start, event_type, level_id, count(*) AS events
FROM accepted GROUP BY ALL;
