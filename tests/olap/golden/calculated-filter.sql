/*
Output carrier, summer, jfk
  Limit 5 from 0, totals kept
    Sort carrier, null last
      Compute jfk = filter(delay where {"origin": "JFK"})
        Compute summer = filter(share where {"month": {"from": 6, "to": 8}})
          Compute share = share(flights hierarchy Carrier) where Time.Time.month: {"from": 6, "to": 8}
            Aggregate flights = count(*) where Time.Time.month: {"from": 6, "to": 8}, delay = avg(dep_delay) where Origin.Origin.origin: "JFK" by Carrier.Carrier.carrier, 2 groupings
              Scan flights
*/
WITH cells AS MATERIALIZED (
  SELECT
    "flights"."carrier" AS "carrier",
    count(*) FILTER (WHERE ("flights"."month" >= ? AND "flights"."month" <= ?)) AS "#1 flights",
    avg(CASE WHEN "flights"."origin" = ? THEN "flights"."dep_delay" END) AS "#2 delay",
    GROUPING("flights"."carrier") AS "#grouping"
  FROM "flights"
  GROUP BY GROUPING SETS (("flights"."carrier"), ())
), step AS (
  SELECT
    *,
    "#2 delay" AS "jfk"
  FROM cells
), filtered AS MATERIALIZED (
  SELECT
    "carrier",
    "#grouping",
    "#1 flights" AS "flights"
  FROM cells
), step_2 AS (
  SELECT
    c.*,
    CAST(c."flights" AS DOUBLE) / nullif(CAST(j1."flights" AS DOUBLE), 0) AS "share"
  FROM filtered AS c
  LEFT JOIN filtered AS j1 ON j1."#grouping" = CASE WHEN c."#grouping" IN (0) THEN 1 WHEN c."#grouping" IN (1) THEN c."#grouping" END
), step_3 AS MATERIALIZED (
  SELECT
    c.*,
    j1."share" AS "summer"
  FROM step AS c
  LEFT JOIN step_2 AS j1 ON j1."#grouping" = c."#grouping"
    AND j1."carrier" IS NOT DISTINCT FROM c."carrier"
)
SELECT
  "carrier",
  "summer",
  "jfk",
  "#grouping"
FROM (
  (SELECT * FROM step_3 WHERE "#grouping" = 0
  ORDER BY "#grouping", "carrier" NULLS LAST
  LIMIT 5)
  UNION ALL
  (SELECT * FROM step_3 WHERE "#grouping" <> 0)
) AS kept
ORDER BY "#grouping", "carrier" NULLS LAST
-- [6, 8, 'JFK']
