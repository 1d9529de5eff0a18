/*
Output month, day, before
  Sort month, day, null last
    Compute before = shift(flights level day strict true)
      Aggregate flights = count(*) by Time.Time.month, Time.Time.day
        Aggregate nothing by Time.Time.month, Time.Time.day of all rows
          Filter Time.Time.day: [1, 31]
            Scan flights
*/
WITH cells AS MATERIALIZED (
  SELECT
    "flights"."month" AS "month",
    "flights"."day" AS "day",
    count(*) AS "flights",
    0 AS "#grouping"
  FROM "flights"
  WHERE "flights"."day" IN (?, ?)
  GROUP BY "flights"."month", "flights"."day"
), cells_2 AS (
  SELECT
    "flights"."month" AS "month",
    "flights"."day" AS "day",
    0 AS "#grouping"
  FROM "flights"
  GROUP BY "flights"."month", "flights"."day"
), members AS (
  SELECT *, lag("month", 1) OVER steps AS "#before month", lag("day", 1) OVER steps AS "#before day", lag(true, 1) OVER steps AS "#before"
  FROM cells_2
  WINDOW steps AS (PARTITION BY "#grouping" ORDER BY "month" NULLS LAST, "day" NULLS LAST)
), step AS (
  SELECT
    c.*,
    j1."flights" AS "before"
  FROM cells AS c
  LEFT JOIN members AS j1m ON j1m."#grouping" = 0
    AND j1m."month" IS NOT DISTINCT FROM c."month"
    AND j1m."day" IS NOT DISTINCT FROM c."day"
  LEFT JOIN cells AS j1 ON j1."#grouping" = CASE WHEN j1m."#before" THEN c."#grouping" END
    AND j1."month" IS NOT DISTINCT FROM j1m."#before month"
    AND j1."day" IS NOT DISTINCT FROM j1m."#before day"
)
SELECT
  "month",
  "day",
  "before"
FROM step
ORDER BY "month" NULLS LAST, "day" NULLS LAST
-- [1, 31]
