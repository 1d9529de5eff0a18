-- node: 1: Destination.Destination.dest_tz, 2: #0 0 planes, 3: #0 0 median_arr_delay
SELECT
  "dest_airport"."tzone" AS k0,
  list(DISTINCT "flights"."tailnum") FILTER (WHERE "flights"."tailnum" IS NOT NULL) AS p0_0,
  median(CAST("flights"."arr_delay" AS DOUBLE)) EXPORT_STATE AS p1_0
FROM "flights"
LEFT JOIN "airports" AS "dest_airport" ON "flights"."dest" = "dest_airport"."faa"
GROUP BY "dest_airport"."tzone"
LIMIT 1001
-- []

-- merge
WITH cells AS (
  SELECT
    partial.k0 AS "dest_tz",
    coalesce(bit_count(bit_or(CAST(partial.p0_0 AS BIT))), 0) AS "planes",
    finalize(combine_aggr(to_aggregate_state(partial.p1_0, 'median', ['DOUBLE']))) AS "median_arr_delay",
    GROUPING(partial.k0) AS "#grouping"
  FROM "#partial 0" AS partial
  GROUP BY GROUPING SETS ((partial.k0), ())
)
SELECT
  "dest_tz",
  "planes",
  "median_arr_delay",
  "#grouping"
FROM cells
ORDER BY "#grouping", "dest_tz" NULLS LAST
-- []
