SELECT minute, hop, app_id, state, residue
FROM ledger_residue
WHERE residue <> 0 OR (state = 'unproved' AND hop = 'log')
ORDER BY minute DESC, hop
LIMIT 100
