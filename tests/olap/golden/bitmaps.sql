WITH cells AS (
  SELECT
    "t"."g" AS "g",
    coalesce(bit_count(bitstring_agg("t"."small", -3, 900)), 0) AS "small",
    count(DISTINCT "t"."word") AS "words",
    GROUPING("t"."g") AS "#grouping"
  FROM "t"
  WHERE "t"."h" IN (?, ?)
  GROUP BY ROLLUP ("t"."g")
)
SELECT
  "g",
  "small",
  "words",
  "#grouping"
FROM cells
ORDER BY "#grouping", "g" NULLS LAST
