/*
Output maker, wind, seat_miles
  Sort maker, wind, null last
    Aggregate seat_miles = sum(distance * planes.seats) by Plane.Plane.maker, Weather.Weather.wind
      Filter Destination.Destination.dest_tz: "America/Denver"
        Join weather: flights.(origin, time_hour) -> weather.(origin, time_hour)
          Join dest_airport: flights.dest -> airports.faa as dest_airport
            Join planes: flights.tailnum -> planes.tailnum
              Scan flights
*/
WITH cells AS (
  SELECT
    "planes"."manufacturer" AS "maker",
    CASE  WHEN ((weather.wind_speed >= 20)) THEN ('windy') ELSE 'calm' END AS "wind",
    CAST(sum((flights."distance" * planes.seats)) AS BIGINT) AS "seat_miles"
  FROM "flights"
  LEFT JOIN "planes" ON "flights"."tailnum" = "planes"."tailnum"
  LEFT JOIN "airports" AS "dest_airport" ON "flights"."dest" = "dest_airport"."faa"
  LEFT JOIN "weather" ON "flights"."origin" = "weather"."origin" AND "flights"."time_hour" = "weather"."time_hour"
  WHERE "dest_airport"."tzone" = ?
  GROUP BY "planes"."manufacturer", CASE  WHEN ((weather.wind_speed >= 20)) THEN ('windy') ELSE 'calm' END
)
SELECT
  "maker",
  "wind",
  "seat_miles"
FROM cells
ORDER BY "maker" NULLS LAST, "wind" NULLS LAST
-- ['America/Denver']
