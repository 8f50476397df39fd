-- Boots of a log that have not ended in order.
SELECT source, first_minute, last_complete, last_written
FROM ledger_boots
WHERE log_id = @log_id AND NOT ended
ORDER BY source;
