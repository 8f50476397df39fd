SELECT minute, hop, app_id, state, residue
FROM ledger_residue
WHERE residue <> 0 OR (state = 'unproved' AND hop = 'log')
ORDER BY CASE WHEN residue <> 0 THEN 0 ELSE 1 END, minute DESC, hop
LIMIT 100
