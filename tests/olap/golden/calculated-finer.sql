/*
Output origin, busiest, leaf
  Sort origin, null last
    Compute leaf = per(product per ["carrier"] aggregate sum)
      Compute busiest = max_member(flights level carrier)
        Compute product = flights * delay by Origin.Origin.origin, Carrier.Carrier.carrier
          Aggregate nothing by Origin.Origin.origin
            Aggregate flights = count(*), delay = avg(dep_delay) by Origin.Origin.origin, Carrier.Carrier.carrier
              Scan flights
*/
WITH cells AS (
  SELECT
    "flights"."origin" AS "origin",
    0 AS "#grouping"
  FROM "flights"
  GROUP BY "flights"."origin"
), cells_2 AS (
  SELECT
    "flights"."origin" AS "origin",
    "flights"."carrier" AS "#Carrier.Carrier.carrier",
    count(*) AS "flights",
    avg("flights"."dep_delay") AS "delay",
    0 AS "#grouping"
  FROM "flights"
  GROUP BY "flights"."origin", "flights"."carrier"
), step AS MATERIALIZED (
  SELECT
    *,
    (flights * delay) AS "product"
  FROM cells_2
), step_2 AS (
  SELECT
    c.*,
    j1."#value" AS "busiest",
    j2."#value" AS "leaf"
  FROM cells AS c
  LEFT JOIN (
    SELECT up."#cell" AS "#grouping", "origin", first("#Carrier.Carrier.carrier" ORDER BY "flights" DESC, "#Carrier.Carrier.carrier" NULLS LAST) FILTER (WHERE "flights" IS NOT NULL) AS "#value"
    FROM step
    JOIN (VALUES (0, 0)) AS up("#cell", "#finer") ON "#grouping" = "#finer"
    GROUP BY ALL
  ) AS j1 ON j1."#grouping" IS NOT DISTINCT FROM c."#grouping"
    AND j1."origin" IS NOT DISTINCT FROM c."origin"
  LEFT JOIN (
    SELECT up."#cell" AS "#grouping", "origin", sum("product") AS "#value"
    FROM step
    JOIN (VALUES (0, 0)) AS up("#cell", "#finer") ON "#grouping" = "#finer"
    GROUP BY ALL
  ) AS j2 ON j2."#grouping" IS NOT DISTINCT FROM c."#grouping"
    AND j2."origin" IS NOT DISTINCT FROM c."origin"
)
SELECT
  "origin",
  "busiest",
  "leaf"
FROM step_2
ORDER BY "origin" NULLS LAST
-- []
