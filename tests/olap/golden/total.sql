/*
Output flights
  Aggregate flights = count(*)
    Scan flights
*/
WITH cells AS (
  SELECT count(*) AS "flights"
  FROM "flights"
)
SELECT "flights"
FROM cells
-- []
