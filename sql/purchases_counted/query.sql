-- Runs after purchases of the same day.
SELECT event_date, app_id, event_id, user_id, platform, country, price_usd
FROM purchases_unique
WHERE event_date = @date;
