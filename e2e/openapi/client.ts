// Stores, fetches, lists and deletes with the types that openapi-typescript generates.
import createClient from "openapi-fetch";
import type { paths } from "./api";

const client = createClient<paths>({
  baseUrl: process.argv[2],
  headers: { Authorization: `Bearer ${process.env.TOKEN}` },
});
const data = new Uint8Array(256_000).map((_, at) => at % 251);
const path = { filename: "typescript ä%" };

function done<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

async function run() {
  const stored = done(
    await client.PUT("/file/{filename}", {
      params: { path },
      body: "",
      bodySerializer: () => data,
      headers: { "Content-Type": "application/octet-stream" },
    }),
  );
  if (stored.size !== data.length) throw new Error(`stored ${stored.size} bytes`);
  const file = Buffer.from(data).toString("base64");
  const body = { filename: "typescript json", file };
  const posted = done(await client.POST("/file", { body }));
  if (posted.sha256 !== stored.sha256) throw new Error("other bytes were stored");

  const raw = await client.GET("/file/{filename}", { params: { path }, parseAs: "arrayBuffer" });
  if (Buffer.compare(Buffer.from(done(raw) as unknown as ArrayBuffer), Buffer.from(data)) !== 0)
    throw new Error("other bytes came back");

  const page = done(await client.GET("/files", { params: { query: { prefix: "typescript" } } }));
  if (!("files" in page)) throw new Error("no page");
  const names = page.files.map((listed) => listed.filename).join();
  if (names !== "typescript json,typescript ä%") throw new Error(names);
  for (const filename of names.split(",")) {
    const deleted = await client.DELETE("/file/{filename}", { params: { path: { filename } } });
    if (deleted.response.status !== 204) throw new Error(JSON.stringify(deleted.error));
  }
  const gone = await client.GET("/file/{filename}", { params: { path } });
  if (gone.error?.code !== 2) throw new Error(JSON.stringify(gone.error));
  console.log("openapi-typescript: stored, fetched, listed, deleted");
}

run().catch((error) => {
  console.error(error);
  process.exit(1);
});
