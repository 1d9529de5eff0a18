SELECT count(*)
FROM "flights"
LEFT JOIN "planes" ON "flights"."tailnum" = "planes"."tailnum"
WHERE "flights"."month" = ?
  AND "planes"."manufacturer" IS NULL
  AND "flights"."origin" IN (?, ?)
-- [2, 'JFK', 'LGA']

SELECT
  "flights"."carrier" AS "carrier",
  "airlines"."name" AS "airlines.name"
FROM "flights"
LEFT JOIN "airlines" ON "flights"."carrier" = "airlines"."carrier"
LEFT JOIN "planes" ON "flights"."tailnum" = "planes"."tailnum"
WHERE "flights"."month" = ?
  AND "planes"."manufacturer" IS NULL
  AND "flights"."origin" IN (?, ?)
LIMIT 100
-- [2, 'JFK', 'LGA']
