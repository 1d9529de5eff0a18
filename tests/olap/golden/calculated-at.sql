/*
Output month, origin, january
  Sort month, origin, null last
    Compute january = at(flights members {"month": 1})
      Aggregate flights = count(*) where Time.Time.month: 1 by Time.Time.month, Origin.Origin.origin, 2 groupings
        Scan flights
*/
WITH cells AS MATERIALIZED (
  SELECT
    "flights"."month" AS "month",
    "flights"."origin" AS "origin",
    count(*) FILTER (WHERE "flights"."month" = ?) AS "#1 flights",
    GROUPING("flights"."origin", "flights"."month") AS "#grouping"
  FROM "flights"
  GROUP BY GROUPING SETS (("flights"."month", "flights"."origin"), ("flights"."origin"))
), filtered AS (
  SELECT
    "month",
    "origin",
    "#grouping",
    "#1 flights" AS "flights"
  FROM cells
), step AS (
  SELECT
    c.*,
    j1."flights" AS "january"
  FROM cells AS c
  LEFT JOIN filtered AS j1 ON j1."#grouping" = CASE WHEN c."#grouping" IN (0) THEN 1 WHEN c."#grouping" IN (1) THEN c."#grouping" END
    AND j1."origin" IS NOT DISTINCT FROM c."origin"
), answer AS (
  SELECT * FROM step WHERE "#grouping" IN (0)
)
SELECT
  "month",
  "origin",
  "january"
FROM answer
ORDER BY "month" NULLS LAST, "origin" NULLS LAST
-- [1]
