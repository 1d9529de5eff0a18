/*
Output month, day, to_date
  Limit 3 from 0
    Sort month, day, null last
      Compute to_date = cumulative(flights level day partition month)
        Aggregate flights = count(*) by Time.Time.month, Time.Time.day
          Scan flights
*/
WITH cells AS (
  SELECT
    "flights"."month" AS "month",
    "flights"."day" AS "day",
    count(*) AS "flights",
    0 AS "#grouping"
  FROM "flights"
  GROUP BY "flights"."month", "flights"."day"
), step AS (
  SELECT
    *,
    CAST(sum("flights") OVER (PARTITION BY "#grouping", "month" ORDER BY "month" NULLS LAST, "day" NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS BIGINT) AS "to_date"
  FROM cells
)
SELECT
  "month",
  "day",
  "to_date"
FROM step
ORDER BY "month" NULLS LAST, "day" NULLS LAST
LIMIT 3
-- []
