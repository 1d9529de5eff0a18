/*
Output carrier, month, share
  Sort share descending, carrier, month, null last
    Compute share = share(flights hierarchy Carrier)
      Aggregate flights = count(*) by Carrier.Carrier.carrier, Time.Time.month, 2 groupings
        Scan flights
*/
WITH cells AS MATERIALIZED (
  SELECT
    "flights"."carrier" AS "carrier",
    "flights"."month" AS "month",
    count(*) AS "flights",
    GROUPING("flights"."month", "flights"."carrier") AS "#grouping"
  FROM "flights"
  GROUP BY GROUPING SETS (("flights"."carrier", "flights"."month"), ("flights"."month"))
), step AS (
  SELECT
    c.*,
    CAST(c."flights" AS DOUBLE) / nullif(CAST(j1."flights" AS DOUBLE), 0) AS "share"
  FROM cells AS c
  LEFT JOIN cells AS j1 ON j1."#grouping" = CASE WHEN c."#grouping" IN (0) THEN 1 WHEN c."#grouping" IN (1) THEN c."#grouping" END
    AND j1."month" IS NOT DISTINCT FROM c."month"
), answer AS (
  SELECT * FROM step WHERE "#grouping" IN (0)
)
SELECT
  "carrier",
  "month",
  "share"
FROM answer
ORDER BY CASE WHEN isfinite("share") THEN "share" END DESC NULLS LAST, "carrier" NULLS LAST, "month" NULLS LAST
-- []
