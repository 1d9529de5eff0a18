/*
Output tz, origin, rank
  Sort tz, origin, null last
    Compute rank = rank(delay hierarchy Origin)
      Aggregate delay = avg(dep_delay) by Origin.Origin.tz, Origin.Origin.origin, 3 groupings
        Filter Time.Time.month: 1
          Join origin_airport: flights.origin -> airports.faa as origin_airport
            Scan flights
*/
WITH cells AS (
  SELECT
    "origin_airport"."tzone" AS "tz",
    "flights"."origin" AS "origin",
    avg("flights"."dep_delay") AS "delay",
    GROUPING("flights"."origin", "origin_airport"."tzone") AS "#grouping"
  FROM "flights"
  LEFT JOIN "airports" AS "origin_airport" ON "flights"."origin" = "origin_airport"."faa"
  WHERE "flights"."month" = ?
  GROUP BY GROUPING SETS (("origin_airport"."tzone", "flights"."origin"), ("origin_airport"."tzone"), ())
), step AS (
  SELECT
    *,
    CASE WHEN CASE WHEN isfinite("delay") THEN "delay" END IS NOT NULL THEN CASE WHEN "#grouping" IN (0) THEN rank() OVER (PARTITION BY "#grouping", "tz" ORDER BY CASE WHEN isfinite("delay") THEN "delay" END DESC NULLS LAST) WHEN "#grouping" IN (2) THEN rank() OVER (PARTITION BY "#grouping", "origin" ORDER BY CASE WHEN isfinite("delay") THEN "delay" END DESC NULLS LAST) WHEN "#grouping" IN (3) THEN rank() OVER (PARTITION BY "#grouping", "tz", "origin" ORDER BY CASE WHEN isfinite("delay") THEN "delay" END DESC NULLS LAST) END END AS "rank"
  FROM cells
)
SELECT
  "tz",
  "origin",
  "rank",
  "#grouping"
FROM step
ORDER BY "#grouping", "tz" NULLS LAST, "origin" NULLS LAST
-- [1]
