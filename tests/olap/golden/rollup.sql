/*
Output year, month, flights
  Sort year, month, null last
    Aggregate flights = count(*) by Time.Calendar.year, Time.Calendar.month, totals all
      Scan flights
*/
WITH cells AS (
  SELECT
    "flights"."year" AS "year",
    "flights"."month" AS "month",
    count(*) AS "flights",
    GROUPING("flights"."month", "flights"."year") AS "#grouping"
  FROM "flights"
  GROUP BY ROLLUP ("flights"."year", "flights"."month")
)
SELECT
  "year",
  "month",
  "flights",
  "#grouping"
FROM cells
ORDER BY "#grouping", "year" NULLS LAST, "month" NULLS LAST
-- []
