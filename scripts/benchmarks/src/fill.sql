-- A warehouse as some days of play leave it: ?1 events between the moments ?2 and ?3 (microseconds).
-- Processing writes a batch twice a second: so many parts and rows of the ledger.
CREATE TEMP TABLE played AS
WITH numbered AS (
  SELECT i, make_timestamptz(CAST(?2 + i * ((?3 - ?2) / ?1::DOUBLE) AS BIGINT)) AS timestamp, hash(i) AS h
  FROM range(?1) AS numbers (i)
)
SELECT
  i, h, timestamp,
  CAST(timestamp AS DATE) AS event_date,
  make_timestamptz(epoch_us(timestamp) // 60000000 * 60000000) AS minute, epoch_us(timestamp) // 500000 AS batch,
  -- Some come new every day, and some stay away.
  'player-' || (h % 60000 + 10000 * date_diff('day', make_timestamptz(?2), timestamp)) AS user_id,
  CASE
    WHEN h % 100 < 42 THEN 1001 WHEN h % 100 < 72 THEN 1002 WHEN h % 100 < 84 THEN 1003
    WHEN h % 100 < 86 THEN 2001 ELSE 3002
  END AS event_type,
  CASE WHEN h % 100 < 84 THEN CAST(1 + sqrt((h >> 8) % 40000)::BIGINT AS VARCHAR) END AS level_id
FROM numbered;

INSERT INTO events BY NAME
SELECT
  uuid()::VARCHAR AS event_id, 'bench' AS app_id, user_id, user_id || '/' || event_date || '/' || (h >> 4) % 3 AS session_id,
  event_type,
  MAP {1001: 'level_start', 1002: 'level_complete', 1003: 'level_fail', 2001: 'purchase', 3002: 'session_end'}[event_type] AS event_name,
  timestamp, event_date, hour(timestamp) AS event_hour, isodow(timestamp) - 1 AS day_of_week,
  timestamp + INTERVAL 2 SECOND AS received_at,
  '{"level_id": "' || coalesce(level_id, '') || '", "moves_used": ' || (h >> 12) % 60 || ', "score": ' || (h >> 16) % 100000 || '}' AS parameters,
  ['ios', 'android', 'web'][1 + ((h >> 20) % 3)::INT] AS platform, '1.' || (h >> 22) % 9 AS app_version,
  ['US', 'DE', 'JP', 'BR', 'IN', 'FR', 'GB', 'KR'][1 + ((h >> 25) % 8)::INT] AS country,
  'phone' AS device_category, 'mid' AS device_tier, (h >> 28) % 20 = 0 AS is_paying_user, (h >> 30) % 90 AS days_since_install,
  level_id,
  CASE WHEN event_type IN (1002, 1003) THEN (h >> 12) % 60 END AS moves_used,
  CASE WHEN event_type = 1002 THEN (h >> 14) % 3000 / 10.0 END AS time_seconds,
  CASE WHEN event_type = 1002 AND (h >> 33) % 5 = 0 THEN ['hammer'] END AS boosters_used,
  CASE WHEN event_type = 3002 THEN (h >> 12) % 3600 END AS duration_sec,
  CASE WHEN event_type = 2001 THEN 0.99 + (h >> 12) % 10 END AS price_usd,
  CASE WHEN event_type = 2001 THEN 't-' || i END AS transaction_id,
  true AS counted, 'bench' AS source_log, h % 64 AS source_partition, i AS source_offset
FROM played;

INSERT INTO events_agg_1min BY NAME
SELECT minute AS window_start, 'bench' AS app_id, event_type, level_id, count(*) AS events
FROM played
GROUP BY batch, minute, event_type, level_id
ORDER BY batch;

-- One of a hundred more is a dead letter.
INSERT INTO events_dlq BY NAME
SELECT
  'bench/' || h % 64 || '/' || (?1 + i) AS letter,
  ['invalid_parameters', 'missing_field', 'invalid_timestamp'][1 + (h % 3)::INT] AS reason,
  'parameters.level_id' AS detail, 'bench' AS app_id, false AS held, 0 AS attempts,
  timestamp + INTERVAL 2 SECOND AS received_at, timestamp + INTERVAL 3 SECOND AS failed_at, 'bench' AS function_version,
  encode(user_id) AS record_key, encode('{"id": "letter-' || i || '", "user_id": "' || user_id || '", "type": 1001}') AS raw,
  '[]' AS headers, 'bench' AS source_log, h % 64 AS source_partition, ?1 + i AS source_offset
FROM played
WHERE i % 100 = 0;

CREATE TEMP TABLE received AS
SELECT
  make_timestamptz(epoch_us(timestamp + INTERVAL 2 SECOND) // 60000000 * 60000000) AS minute, batch,
  count(*) AS accepted, count(*) FILTER (i % 100 = 0) AS dead_lettered
FROM played
GROUP BY ALL;

INSERT INTO ledger BY NAME
SELECT
  'bench' AS log_id, hop, 'boot' AS source, 'bench' AS app_id, minute, seq, complete, false AS closing,
  stored AS received, stored, 0 AS rejected, 0 AS deferred, 0 AS late, 0 AS failed, 0 AS unknown, 0 AS refused_bodies,
  accepted + dead_lettered AS read, accepted, 0 AS duplicate, dead_lettered, 0 AS expired, minute + INTERVAL 1 MINUTE AS written_at
FROM (
  SELECT 'process' AS hop, minute, NULL AS seq, false AS complete, 0 AS stored, accepted, dead_lettered
  FROM received
  UNION ALL
  SELECT 'ingest', minute, row_number() OVER (ORDER BY minute), true, sum(accepted + dead_lettered), 0, 0
  FROM received
  GROUP BY minute
  UNION ALL
  SELECT 'closed', max(minute), NULL, false, 0, 0, 0
  FROM received
)
ORDER BY minute;
