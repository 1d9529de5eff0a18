WITH cells AS (
  SELECT
    partial.k0 AS "origin",
    partial.k1 AS "month",
    coalesce(CAST(sum(partial.p0_0) AS BIGINT), 0) AS "flights",
    CAST(sum(partial.p1_0) AS BIGINT) AS "distance",
    partial.of AS "#grouping"
  FROM (
    SELECT a.k0 AS k0, a.k1 AS k1, a.p0_0 AS p0_0, a.p1_0 AS p1_0, 0 AS of FROM "#partial 0 0" AS a
    UNION ALL
    SELECT a.k0 AS k0, CAST(h0.m1 AS BIGINT) AS k1, CAST(NULL AS BIGINT) AS p0_0, a.p1_0 AS p1_0, 0 AS of FROM "#partial 0 1" AS a CROSS JOIN (SELECT DISTINCT m1 FROM "#paths 1 Time.Calendar") AS h0
    UNION ALL
    SELECT a.k0 AS k0, CAST(NULL AS BIGINT) AS k1, a.p0_0 AS p0_0, a.p1_0 AS p1_0, 2 AS of FROM "#partial 0 0" AS a
    UNION ALL
    SELECT a.k0 AS k0, CAST(NULL AS BIGINT) AS k1, CAST(NULL AS BIGINT) AS p0_0, a.p1_0 AS p1_0, 2 AS of FROM "#partial 0 1" AS a
    UNION ALL
    SELECT CAST(NULL AS VARCHAR) AS k0, CAST(NULL AS BIGINT) AS k1, CAST(NULL AS BIGINT) AS p0_0, CAST(NULL AS DECIMAL(38,0)) AS p1_0, 3 AS of
    UNION ALL
    SELECT CAST(NULL AS VARCHAR) AS k0, CAST(NULL AS BIGINT) AS k1, a.p0_0 AS p0_0, a.p1_0 AS p1_0, 3 AS of FROM "#partial 0 0" AS a
    UNION ALL
    SELECT CAST(NULL AS VARCHAR) AS k0, CAST(NULL AS BIGINT) AS k1, CAST(NULL AS BIGINT) AS p0_0, a.p1_0 AS p1_0, 3 AS of FROM "#partial 0 1" AS a
  ) AS partial
  GROUP BY partial.k0, partial.k1, partial.of
)
SELECT
  "origin",
  "month",
  "flights",
  "distance",
  "#grouping"
FROM cells
ORDER BY "#grouping", "origin" NULLS LAST, "month" NULLS LAST
-- []
