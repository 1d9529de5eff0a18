// Cube.js over DuckDB with the same Parquet files, without pre-aggregations; benchmarks/cubejs.py installs and starts it:
//   NODE_PATH=FOLDER/node_modules node server.js PORT FILES
"use strict";
process.env.CUBEJS_CACHE_AND_QUEUE_DRIVER = "memory";
process.env.CUBEJS_CONCURRENCY = "2"; // said here, it is not looked up in a driver that is not there
process.env.CUBEJS_LOG_LEVEL = "error";
const path = require("node:path");
const express = require("express");
const { CubejsServerCore } = require("@cubejs-backend/server-core");
const { BaseDriver } = require("@cubejs-backend/base-driver");
const { PostgresQuery } = require("@cubejs-backend/schema-compiler");
const { DuckDBInstance } = require("@duckdb/node-api");

const [port, files] = process.argv.slice(2);

const MODEL = `
cube("facts", {
  sql_table: "sales",
  measures: {
    lines: { type: "count" },
    quantity: { sql: "quantity", type: "sum" },
    revenue: { sql: "revenue", type: "sum" },
    cost: { sql: "cost", type: "sum" },
  },
  dimensions: {
    sale: { sql: "sale", type: "number", primary_key: true },
    department: { sql: "department", type: "string" },
    region: { sql: "region", type: "string" },
    year: { sql: "year", type: "number" },
    day_of_month: { sql: "day(day)", type: "number" },
  },
});`;

// The driver that Cube.js ships is for an older DuckDB, whose binary npm would fetch from elsewhere.
class DuckDB extends BaseDriver {
  async connection() {
    this.connecting ??= (async () => {
      const connection = await (await DuckDBInstance.create(":memory:")).connect();
      await connection.run(`CREATE TABLE sales AS FROM read_parquet('${path.join(files, "sales.parquet")}')`);
      return connection;
    })();
    return this.connecting;
  }
  async testConnection() {
    await this.query("SELECT 1", []);
  }
  async query(sql, values) {
    let place = 0;
    const text = sql.replace(/\?/g, () => `$${(place += 1)}`);
    const reader = await (await this.connection()).runAndReadAll(text, (values ?? []).map((value) => value));
    return reader.getRowObjectsJson();
  }
  static dialectClass() {
    return PostgresQuery;
  }
}

const driver = new DuckDB({});
const core = new CubejsServerCore({
  apiSecret: "benchmark",
  telemetry: false,
  devServer: false,
  dbType: "postgres",
  driverFactory: () => driver,
  dialectFactory: () => PostgresQuery,
  repositoryFactory: () => ({ dataSchemaFiles: async () => [{ fileName: "facts.js", content: MODEL }] }),
  checkAuth: (request) => {
    request.securityContext = {};
  },
  logger: () => {},
  scheduledRefreshTimer: false,
  cacheAndQueueDriver: "memory",
  orchestratorOptions: { queryCacheOptions: { refreshKeyRenewalThreshold: 3600 } },
});

(async () => {
  await driver.connection();
  const app = express();
  app.use(express.json());
  app.get("/health", (_, answer) => answer.json({ status: "UP" }));
  await core.initApp(app);
  app.listen(Number(port), "127.0.0.1");
})();
