WITH cells AS (
  SELECT coded.* REPLACE ("#members 0".member AS "city")
  FROM (
    SELECT
      kept."#1 city" AS "city",
      kept."#3 big" AS "big",
      count(DISTINCT nullif(kept."#0 item", 0)) AS "items",
      CAST(sum(kept."#argument 0") AS BIGINT) AS "total",
      GROUPING(kept."#3 big", kept."#1 city") AS "#grouping"
    FROM "#scratch".main."#1" AS kept
    WHERE kept."#0 item" IN (SELECT code FROM "#scratch".main."#1 4" AS "#members" WHERE ("#members".member NOT IN (?) AND "#members".member IS NOT NULL))
    GROUP BY ROLLUP (kept."#1 city", kept."#3 big")
  ) AS coded
  LEFT JOIN "#scratch".main."#1 2" AS "#members 0" ON "#members 0".code = coded."city"
)
SELECT
  "city",
  "big",
  "items",
  "total",
  "#grouping"
FROM cells
ORDER BY "#grouping", "city" NULLS LAST, "big" NULLS LAST

-- later

WITH cells AS (
  SELECT coded.* REPLACE ("#members 0".member AS "city")
  FROM (
    SELECT
      kept."#1 city" AS "city",
      kept."#3 big" AS "big",
      count(DISTINCT nullif(kept."#0 item", 0)) AS "items",
      CAST(sum(kept."#argument 0") AS BIGINT) AS "total",
      GROUPING(kept."#3 big", kept."#1 city") AS "#grouping"
    FROM (
      SELECT "#0 item", "#1 city", "#3 big", "#argument 0" FROM "#scratch".main."#1"
      UNION ALL
      SELECT coalesce("#members 0".code, 0) AS "#0 item", coalesce("#members 1".code, 0) AS "#1 city", (sales.n > 3) AS "#3 big", "sales"."n" AS "#argument 0"
      FROM (SELECT "id", "item", "shop", "n", "price" FROM "#sales" WHERE "#from" > 1) AS "sales"
      LEFT JOIN "shop" ON "sales"."shop" = "shop"."id"
      LEFT JOIN (SELECT code, member, key FROM "#scratch".main."#1 4" UNION ALL SELECT -row_number() OVER (ORDER BY member), member, key FROM (SELECT "sales"."item" AS member, NULL AS key FROM (SELECT "id", "item", "shop", "n", "price" FROM "#sales" WHERE "#from" > 1) AS "sales" GROUP BY "sales"."item") AS came WHERE member IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "#scratch".main."#1 4" AS known WHERE known.member = came.member)) AS "#members 0" ON "#members 0".member = "sales"."item"
      LEFT JOIN (SELECT code, member, key FROM "#scratch".main."#1 2" UNION ALL SELECT -row_number() OVER (ORDER BY member), member, key FROM (SELECT "shop"."city" AS member, NULL AS key FROM (SELECT "id", "item", "shop", "n", "price" FROM "#sales" WHERE "#from" > 1) AS "sales" LEFT JOIN "shop" ON "sales"."shop" = "shop"."id" GROUP BY "shop"."city") AS came WHERE member IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "#scratch".main."#1 2" AS known WHERE known.member = came.member)) AS "#members 1" ON "#members 1".member = "shop"."city"
    ) AS kept
    WHERE kept."#0 item" IN (SELECT code FROM (SELECT code, member, key FROM "#scratch".main."#1 4" UNION ALL SELECT -row_number() OVER (ORDER BY member), member, key FROM (SELECT "sales"."item" AS member, NULL AS key FROM (SELECT "id", "item", "shop", "n", "price" FROM "#sales" WHERE "#from" > 1) AS "sales" GROUP BY "sales"."item") AS came WHERE member IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "#scratch".main."#1 4" AS known WHERE known.member = came.member)) AS "#members" WHERE ("#members".member NOT IN (?) AND "#members".member IS NOT NULL))
    GROUP BY ROLLUP (kept."#1 city", kept."#3 big")
  ) AS coded
  LEFT JOIN (SELECT code, member, key FROM "#scratch".main."#1 2" UNION ALL SELECT -row_number() OVER (ORDER BY member), member, key FROM (SELECT "shop"."city" AS member, NULL AS key FROM (SELECT "id", "item", "shop", "n", "price" FROM "#sales" WHERE "#from" > 1) AS "sales" LEFT JOIN "shop" ON "sales"."shop" = "shop"."id" GROUP BY "shop"."city") AS came WHERE member IS NOT NULL AND NOT EXISTS (SELECT 1 FROM "#scratch".main."#1 2" AS known WHERE known.member = came.member)) AS "#members 0" ON "#members 0".code = coded."city"
)
SELECT
  "city",
  "big",
  "items",
  "total",
  "#grouping"
FROM cells
ORDER BY "#grouping", "city" NULLS LAST, "big" NULLS LAST
