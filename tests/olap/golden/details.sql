/*
Output origin, month, flights, avg_dep_delay
  Sort origin, month, null last
    Aggregate flights = count(*), avg_dep_delay = avg(dep_delay) by Origin.Origin.origin, Time.Calendar.month
      Scan flights
*/
WITH cells AS (
  SELECT
    "flights"."origin" AS "origin",
    "flights"."month" AS "month",
    count(*) AS "flights",
    avg("flights"."dep_delay") AS "avg_dep_delay"
  FROM "flights"
  GROUP BY "flights"."origin", "flights"."month"
)
SELECT
  "origin",
  "month",
  "flights",
  "avg_dep_delay"
FROM cells
ORDER BY "origin" NULLS LAST, "month" NULLS LAST
-- []
