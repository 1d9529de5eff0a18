/*
Output dest, flights
  Limit 10 from 5, totals kept
    Sort flights descending, dest, null last
      Aggregate flights = count(*) by Destination.Destination.dest, totals grand
        Scan flights
*/
WITH cells AS MATERIALIZED (
  SELECT
    "flights"."dest" AS "dest",
    count(*) AS "flights",
    GROUPING("flights"."dest") AS "#grouping"
  FROM "flights"
  GROUP BY GROUPING SETS (("flights"."dest"), ())
)
SELECT
  "dest",
  "flights",
  "#grouping"
FROM (
  (SELECT * FROM cells WHERE "#grouping" = 0
  ORDER BY "#grouping", "flights" DESC NULLS LAST, "dest" NULLS LAST
  LIMIT 10
  OFFSET 5)
  UNION ALL
  (SELECT * FROM cells WHERE "#grouping" <> 0)
) AS kept
ORDER BY "#grouping", "flights" DESC NULLS LAST, "dest" NULLS LAST
-- []
