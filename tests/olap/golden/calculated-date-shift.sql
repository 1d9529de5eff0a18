/*
Output date, month_before
  Sort date, null last
    Compute month_before = date_shift(flights level date by P1M)
      Aggregate flights = count(*) by Date.Date.date
        Scan flights
*/
WITH cells AS MATERIALIZED (
  SELECT
    make_date(flights."year", flights."month", flights."day") AS "date",
    count(*) AS "flights",
    0 AS "#grouping"
  FROM "flights"
  GROUP BY make_date(flights."year", flights."month", flights."day")
), step AS (
  SELECT
    c.*,
    j1."flights" AS "month_before"
  FROM cells AS c
  LEFT JOIN cells AS j1 ON j1."#grouping" = c."#grouping"
    AND j1."date" = CAST(c."date" - to_months(1) AS DATE)
)
SELECT
  "date",
  "month_before"
FROM step
ORDER BY "date" NULLS LAST
-- []
