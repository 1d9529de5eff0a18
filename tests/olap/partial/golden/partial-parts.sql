-- node: 1: Origin.Origin.origin, 2: Time.Calendar.month, 3: #0 0 flights, 4: #0 0 departed, 5: #0 0 avg_dep_delay, 6: #0 1 avg_dep_delay
SELECT
  "flights"."origin" AS k0,
  "flights"."month" AS k1,
  count(*) AS p0_0,
  count("flights"."dep_time") AS p1_0,
  sum("flights"."dep_delay") AS p2_0,
  count("flights"."dep_delay") AS p2_1
FROM "flights"
WHERE "flights"."carrier" IN (?, ?)
  AND ("flights"."day" <= ?)
GROUP BY "flights"."origin", "flights"."month"
LIMIT 1001
-- ['AA', 'UA', 15]

-- merge
WITH cells AS MATERIALIZED (
  SELECT
    partial.k0 AS "origin",
    partial.k1 AS "month",
    coalesce(CAST(sum(partial.p0_0) AS BIGINT), 0) AS "flights",
    coalesce(CAST(sum(partial.p1_0) AS BIGINT), 0) AS "departed",
    CAST(sum(partial.p2_0) AS DOUBLE) / nullif(sum(partial.p2_1), 0) AS "avg_dep_delay",
    GROUPING(partial.k1, partial.k0) AS "#grouping"
  FROM "#partial 0" AS partial
  GROUP BY ROLLUP (partial.k0, partial.k1)
)
SELECT
  "origin",
  "month",
  "flights",
  ((100 * (flights - departed)) / "nullif"(flights, 0)) AS "cancelled_pct",
  "avg_dep_delay",
  "#grouping"
FROM (
  (SELECT * FROM cells WHERE "#grouping" = 0
  ORDER BY "#grouping", "origin" NULLS LAST, "month" NULLS LAST
  LIMIT 3)
  UNION ALL
  (SELECT * FROM cells WHERE "#grouping" <> 0)
) AS kept
ORDER BY "#grouping", "origin" NULLS LAST, "month" NULLS LAST
-- []
