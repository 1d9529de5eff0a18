/*
Output quarter, month, by_number, rows
  Sort quarter descending, month as listed, by_number by number, null last
    Aggregate rows = count(*) by Month.Month.quarter, Month.Month.month, Month.Month.by_number, totals all
      Scan orders
*/
WITH cells AS (
  SELECT
    "orders"."quarter" AS "quarter",
    "orders"."name" AS "month",
    CASE WHEN true THEN "orders"."name" END AS "by_number",
    CASE WHEN GROUPING(CASE WHEN true THEN "orders"."name" END) = 0 THEN min(CASE WHEN CASE WHEN true THEN "orders"."name" END IS NOT NULL THEN "orders"."number" END) END AS "#order by_number",
    count(*) AS "rows",
    GROUPING(CASE WHEN true THEN "orders"."name" END, "orders"."name", "orders"."quarter") AS "#grouping"
  FROM "orders"
  GROUP BY ROLLUP ("orders"."quarter", "orders"."name", CASE WHEN true THEN "orders"."name" END)
)
SELECT
  "quarter",
  "month",
  "by_number",
  "rows",
  "#grouping"
FROM cells
ORDER BY "#grouping", "quarter" DESC NULLS LAST, CASE WHEN "month" IS NOT NULL THEN coalesce(list_position(CAST(['Mar', 'it''s'] AS VARCHAR[]), "month"), 3) END NULLS LAST, "month" NULLS LAST, "#order by_number" NULLS LAST, "by_number" NULLS LAST
