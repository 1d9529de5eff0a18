/*
Output origin, planes
  Sort origin, null last
    Aggregate planes = count_distinct(tailnum) by Origin.Origin.origin, totals grand
      Scan flights
*/
WITH cells AS (
  SELECT
    "flights"."origin" AS "origin",
    count(DISTINCT "flights"."tailnum") AS "planes",
    GROUPING("flights"."origin") AS "#grouping"
  FROM "flights"
  GROUP BY GROUPING SETS (("flights"."origin"), ())
)
SELECT
  "origin",
  "planes",
  "#grouping"
FROM cells
ORDER BY "#grouping", "origin" NULLS LAST
-- []
