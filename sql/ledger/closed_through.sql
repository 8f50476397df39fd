-- Up to which minute a log's minutes are closed; NULL where none is.
SELECT MAX(minute) AS closed_through
FROM ledger
WHERE log_id = @log_id AND hop = 'closed';
