-- What the ledger says of the day, and its parts of minutes.
INSERT INTO ledger BY NAME
SELECT
  'bench' AS log_id,
  'process' AS hop,
  'local' AS app_id,
  make_timestamptz(epoch_us(received_at) // 60000000 * 60000000) AS minute,
  false AS complete,
  false AS closing,
  0 AS received, 0 AS stored, 0 AS rejected, 0 AS deferred, 0 AS late, 0 AS failed, 0 AS unknown,
  0 AS refused_bodies,
  count(*) AS read,
  count(*) AS accepted,
  0 AS duplicate, 0 AS dead_lettered, 0 AS expired,
  max(received_at) AS written_at
FROM events
GROUP BY ALL;
INSERT INTO ledger BY NAME
SELECT log_id, 'closed' AS hop, max(minute) + INTERVAL 1 HOUR AS minute, false AS complete,
  false AS closing, 0 AS received, 0 AS stored, 0 AS rejected, 0 AS deferred, 0 AS late,
  0 AS failed, 0 AS unknown, 0 AS refused_bodies, 0 AS read, 0 AS accepted, 0 AS duplicate,
  0 AS dead_lettered, 0 AS expired, max(written_at) AS written_at
FROM ledger
GROUP BY log_id;
INSERT INTO events_agg_1min
SELECT make_timestamptz(epoch_us(timestamp) // 60000000 * 60000000), app_id, event_type, level_id, count(*)
FROM events
GROUP BY ALL;
