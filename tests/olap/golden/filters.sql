/*
Output flights
  Aggregate flights = count(*)
    Filter Origin.Origin.origin: ["JFK", "LGA", null]
      Filter Carrier.Carrier.carrier: {"not": ["UA"]}
        Filter Carrier.Carrier.airline: {"not": [null, "x"]}
          Filter Time.Calendar.month: {"from": 3, "to": 5}
            Filter Destination.Destination.dest: {"prefix": "A"}
              Filter Plane.Plane.tailnum: null
                Filter Time.Calendar.day: 99999999999999999999
                  Filter Scheduled.Scheduled.time_hour: {"from": "2013-01-01 05:00:00+00:00"}
                    Filter Time.Calendar under [[2013, 1], [2013, 2, 3]]
                      Join airlines: flights.carrier -> airlines.carrier
                        Scan flights
*/
WITH cells AS (
  SELECT count(*) AS "flights"
  FROM "flights"
  LEFT JOIN "airlines" ON "flights"."carrier" = "airlines"."carrier"
  WHERE ("flights"."origin" IN (?, ?) OR "flights"."origin" IS NULL)
    AND ("flights"."carrier" NOT IN (?) OR "flights"."carrier" IS NULL)
    AND ("airlines"."name" NOT IN (?) AND "airlines"."name" IS NOT NULL)
    AND ("flights"."month" >= ? AND "flights"."month" <= ?)
    AND starts_with("flights"."dest", ?)
    AND "flights"."tailnum" IS NULL
    AND false
    AND ("flights"."time_hour" >= CAST(? AS TIMESTAMPTZ))
    AND (("flights"."year" = ? AND "flights"."month" = ?) OR ("flights"."year" = ? AND "flights"."month" = ? AND "flights"."day" = ?))
)
SELECT "flights"
FROM cells
-- ['JFK', 'LGA', 'UA', 'x', 3, 5, 'A', '2013-01-01T05:00:00+00:00', 2013, 1, 2013, 2, 3]
