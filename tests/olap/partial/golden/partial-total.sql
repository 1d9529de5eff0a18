-- node: 1: #0 0 seat_miles
SELECT sum((flights."distance" * planes.seats)) AS p0_0
FROM "flights"
LEFT JOIN "planes" ON "flights"."tailnum" = "planes"."tailnum"
HAVING count(*) > 0
LIMIT 1001
-- []

-- merge
WITH cells AS (
  SELECT CAST(sum(partial.p0_0) AS BIGINT) AS "seat_miles"
  FROM "#partial 0" AS partial
)
SELECT "seat_miles"
FROM cells
-- []
