-- Derived from definition.sql by scripts/derive-sql: change that one.
/* What every boot stored, and what processing read of it, by minute. */
/* state: open (not closed yet), proved (lost is what it says), unproved (the boot never wrote the */
/* minute for good, or has reports that never came, or not yet, or the log was replaced before it was */
/* closed: nobody may say that nothing was lost). */
/* What a reprocess run brings back counts in the minute in which it was received first, long closed: */
/* it is open until what was in the log when the run last wrote is processed. */
CREATE OR REPLACE VIEW ledger_minutes AS
WITH pages AS (
  /* Ingest's and a run's pages travel through the log, and may come twice. */
  SELECT
    *
  FROM ledger
  WHERE
    hop IN ('ingest', 'reprocess')
  QUALIFY
    ROW_NUMBER() OVER (
      PARTITION BY hop, log_id, source, seq, app_id, minute
      ORDER BY written_at NULLS FIRST
    ) = 1
  UNION ALL
  SELECT
    *
  FROM ledger
  WHERE
    hop = 'process'
), written AS (
  SELECT DISTINCT
    log_id,
    source,
    minute
  FROM ledger
  WHERE
    hop = 'ingest' AND complete
), runs /* Runs of reprocess: whether they ended in order, and from when on everything of them is read. */ AS (
  SELECT
    log_id,
    source,
    BOOL_OR(CAST(closing AS BOOLEAN)) AS ended,
    MAX(written_at) AS last_written
  FROM ledger
  WHERE
    hop IN ('ingest', 'reprocess', 'process') AND STARTS_WITH(source, 'reprocess-')
  GROUP BY
    log_id,
    source
), counted AS (
  SELECT
    log_id,
    source,
    app_id,
    minute,
    received,
    stored,
    rejected,
    deferred,
    late,
    failed,
    unknown,
    refused_bodies,
    read,
    accepted,
    duplicate,
    dead_lettered
  FROM pages
  UNION ALL
  /* Where the platform owns the offsets: a batch may come again, whole or split. */
  SELECT
    log_id,
    source,
    app_id,
    minute,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    COUNT(*),
    COUNT(*) FILTER(WHERE
      outcome = 'accepted'),
    0,
    COUNT(*) FILTER(WHERE
      outcome <> 'accepted')
  FROM (
    SELECT
      log_id,
      source_partition,
      source_offset,
      source,
      app_id,
      minute,
      MIN(outcome) AS outcome
    FROM ledger_reads
    GROUP BY
      log_id,
      source_partition,
      source_offset,
      source,
      app_id,
      minute
  )
  GROUP BY
    log_id,
    source,
    app_id,
    minute
  UNION ALL
  /* The minute in which a boot fell silent, even if nothing of it was ever read. */
  SELECT
    log_id,
    source,
    NULL,
    COALESCE(last_complete + INTERVAL '1' MINUTE, first_minute),
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0
  FROM ledger_boots
  WHERE
    NOT ended
), summed AS (
  SELECT
    log_id,
    source,
    app_id,
    minute,
    CAST(SUM(received) AS BIGINT) AS received,
    CAST(SUM(stored) AS BIGINT) AS stored,
    CAST(SUM(rejected) AS BIGINT) AS rejected,
    CAST(SUM(deferred) AS BIGINT) AS deferred,
    CAST(SUM(late) AS BIGINT) AS late,
    CAST(SUM(failed) AS BIGINT) AS failed,
    CAST(SUM(unknown) AS BIGINT) AS unknown,
    CAST(SUM(refused_bodies) AS BIGINT) AS refused_bodies,
    CAST(SUM(read) AS BIGINT) AS read,
    CAST(SUM(accepted) AS BIGINT) AS accepted,
    CAST(SUM(duplicate) AS BIGINT) AS duplicate,
    CAST(SUM(dead_lettered) AS BIGINT) AS dead_lettered
  FROM counted
  GROUP BY
    log_id,
    source,
    app_id,
    minute
), judged AS (
  SELECT
    summed.*,
    CASE
      WHEN logs.closed_through IS NULL
      OR summed.minute > logs.closed_through
      OR runs.last_written >= logs.closed_through
      THEN CASE WHEN logs.silent THEN 'unproved' ELSE 'open' END
      WHEN summed.source IS NULL
      THEN 'proved'
      WHEN summed.unknown > 0
      THEN 'unproved'
      WHEN summed.deferred > summed.late + summed.failed
      THEN 'unproved'
      WHEN runs.ended OR NOT written.minute IS NULL
      THEN 'proved'
      ELSE 'unproved'
    END AS state
  FROM summed
  LEFT JOIN ledger_logs AS logs
    ON logs.log_id = summed.log_id
  LEFT JOIN runs
    ON runs.log_id = summed.log_id AND runs.source = summed.source
  LEFT JOIN written
    ON written.log_id = summed.log_id
    AND written.source = summed.source
    AND written.minute = summed.minute
)
SELECT
  judged.*,
  CASE
    WHEN source IS NULL OR state <> 'proved'
    THEN NULL
    ELSE stored + late - read
  END AS lost
FROM judged;
