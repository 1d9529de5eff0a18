/*
Output carrier, cancelled_pct
  Sort cancelled_pct, carrier, null last
    Compute cancelled_pct = 100 * cancelled / flights
      Aggregate departed = count(dep_time), flights = count(*) by Carrier.Carrier.carrier
        Scan flights
*/
WITH cells AS (
  SELECT
    "flights"."carrier" AS "carrier",
    count("flights"."dep_time") AS "departed",
    count(*) AS "flights"
  FROM "flights"
  GROUP BY "flights"."carrier"
)
SELECT
  "carrier",
  ((100 * (flights - departed)) / "nullif"(flights, 0)) AS "cancelled_pct"
FROM cells
ORDER BY CASE WHEN isfinite(((100 * (flights - departed)) / "nullif"(flights, 0))) THEN ((100 * (flights - departed)) / "nullif"(flights, 0)) END NULLS LAST, "carrier" NULLS LAST
-- []
