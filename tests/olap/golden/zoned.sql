/*
Output time_hour, first_hour
  Limit 1 from 0
    Sort time_hour, null last
      Aggregate first_hour = min(flights.time_hour) by Scheduled.Scheduled.time_hour
        Scan flights
*/
WITH cells AS (
  SELECT
    "flights"."time_hour" AS "time_hour",
    min("flights"."time_hour") AS "first_hour"
  FROM "flights"
  GROUP BY "flights"."time_hour"
)
SELECT
  CAST("time_hour" AS TIMESTAMP) AS "time_hour",
  CAST("first_hour" AS TIMESTAMP) AS "first_hour"
FROM cells
ORDER BY "time_hour" NULLS LAST
LIMIT 1
-- []
