WITH cells AS (
  SELECT
    "flights"."origin" AS "origin",
    count(*) AS "flights",
    GROUPING("flights"."origin") AS "#grouping"
  FROM "flights"
  GROUP BY GROUPING SETS (("flights"."origin"), ())
)
SELECT
  "origin",
  "flights",
  "#grouping",
  count(*) OVER () AS "#rows"
FROM cells
ORDER BY "#grouping", "origin" NULLS LAST
LIMIT 1001
