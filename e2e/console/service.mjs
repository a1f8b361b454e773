// Situations about the service: nodes that join, die and are drained, a lost manager,
// what is damaged, tokens.
import { readFile } from "node:fs/promises";
import { look, must, open, order, until } from "./stage.mjs";

const columns = (page) =>
  page.locator(".column").evaluateAll((found) =>
    found.map((column) => Number(/: ([\d,]+) file/.exec(column.title)?.[1].replaceAll(",", ""))),
  );

/** Collects in the page what the third column shows, from now on. */
const watchThird = (page) =>
  page.evaluate(() => {
    globalThis.seen = new Set();
    const look = () => {
      const column = document.querySelectorAll(".column")[2];
      if (column !== undefined) globalThis.seen.add(column.title);
    };
    const changes = { subtree: true, childList: true, attributeFilter: ["title"] };
    new MutationObserver(look).observe(document.body, changes);
  });

async function balance() {
  // The move has to outlast the checks and pictures of it: 1,000 files take 17 s.
  const slow = ["--move-files-per-second", "60"];
  const { url } = await order("start", { nodes: 2, manager_args: slow });
  await order("store", { prefix: "f-", files: 3000, bytes: 3000 });
  const { page, check } = await open(url);
  await until("two columns", async () => (await columns(page)).join() === "1500,1500");
  await watchThird(page);
  await order("add-node");
  await page.getByText(/files\/s/).first().waitFor();
  await until("the third column grows", async () => (await columns(page))[2] > 100);
  await look(page, "balance");
  const same = async () => (await columns(page)).join() === "1000,1000,1000";
  await until("all have as many", same, 90);
  const seen = await page.evaluate(() => [...globalThis.seen]);
  const between = seen.filter((title) => / [1-9]\d{0,2} files?$/.test(title));
  must(between.length > 3, `it was not shown live: ${seen.join("; ")}`);
  await page.getByText("Nothing moves").waitFor();
  await order("drain", { node: "node-1" });
  await page.getByText("Drain of node-1").waitFor();
  await page.getByText(/\d+ files left, [\d.]+ files\/s/).first().waitFor();
  await look(page, "drain");
  await check();
}

async function death() {
  const { url } = await order("start", { nodes: 4 });
  await order("store", { prefix: "f-", files: 400, bytes: 3000 });
  const { page, check } = await open(url);
  await page.getByText("4 of 4").waitFor();
  await order("kill-node", { at: 2 });
  await page.getByText("3 of 4").waitFor();
  await page.getByText("1 node unavailable").waitFor();
  await look(page, "node-lost");
  await page.getByRole("link", { name: /Problems/ }).click();
  await page.getByRole("heading", { name: "node-3 is unavailable" }).waitFor();
  await order("start-node", { at: 2 });
  await page.getByText("Nothing needs you").waitFor();
  await check();
}

async function damaged() {
  const { url } = await order("start", { nodes: 3 });
  await order("store", { prefix: "f-", files: 60, bytes: 4000 });
  for (const number of [11, 12, 13]) await order("damage", { name: `f-0000${number}.txt` });
  await order("lose", { name: "f-000020.txt" });
  for (const number of [11, 12, 13, 20]) {
    await fetch(`${url}/file/f-0000${number}.txt`).then((found) => found.arrayBuffer()).catch(() => {});
  }
  const { page, check } = await open(url, "problems");
  await page.getByRole("heading", { name: "3 files damaged" }).waitFor();
  await page.getByRole("heading", { name: "1 file missing on disk" }).waitFor();
  await look(page, "problems");
  await page.getByRole("link", { name: "f-000012.txt" }).click();
  await page.getByText("1 file beginning with f-000012.txt").waitFor();
  await page.getByRole("button", { name: "Download f-000012.txt" }).click();
  await page.getByText("f-000012.txt was not fetched").waitFor();
  await look(page, "refused");
  await check();
}

async function manager() {
  const { url } = await order("start", { nodes: 3 });
  await order("store", { prefix: "f-", files: 90, bytes: 3000 });
  const { page, check } = await open(url);
  await page.getByText("Live").waitFor();
  await page.getByText("3 of 3").waitFor();
  await order("kill-manager");
  await page.getByRole("alert").getByText("The manager does not answer").waitFor();
  await look(page, "manager-lost");
  // What is dropped meanwhile is stored once it is back, and once only.
  await page.keyboard.press("2");
  await page.setInputFiles("#pick-files", [
    { name: "patient.txt", mimeType: "text/plain", buffer: Buffer.from("waited") },
  ]);
  await page.getByText("The manager does not answer; trying again").waitFor();
  await order("start-manager");
  await page.getByText("Live").waitFor();
  await page.getByText("1 of 1 file stored").waitFor();
  const found = await fetch(`${url}/file/patient.txt`);
  must((await found.text()) === "waited", "other bytes were stored");
  await check();
}

async function token() {
  const { url } = await order("start", { nodes: 1, closed: true });
  const all = await order("token", { rights: "get,list,create,delete,admin" });
  const reader = await order("token", { rights: "get,list", prefix: "ci-" });
  const { page, check } = await open(url);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByLabel("Token").fill("not-a-token-that-anybody-knows");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("does not know this token").waitFor();
  await look(page, "wrong-token");
  await page.getByLabel("Token").fill(all.token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("1 of 1").waitFor();
  await page.keyboard.press("2");
  await page.setInputFiles("#pick-files", [
    { name: "ci-1.txt", mimeType: "text/plain", buffer: Buffer.from("signed in") },
  ]);
  await page.getByText("1 of 1 file stored").waitFor();
  const [fetched] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Download ci-1.txt" }).click(),
  ]);
  must((await readFile(await fetched.path())).toString() === "signed in", "other bytes");
  await linked(page);
  const kept = await page.evaluate((token) => {
    const all = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie];
    return all.join().includes(token);
  }, all.token);
  must(!kept, "the token is stored");
  await page.reload();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await bounded(page, reader.token);
  await check();
}

/** A link opens without a token. */
async function linked(page) {
  await page.getByRole("button", { name: "ci-1.txt", exact: true }).click();
  await page.getByLabel("It lasts").selectOption("15m");
  await page.getByRole("button", { name: "Make a link" }).click();
  const link = await page.getByLabel("Link", { exact: true }).inputValue();
  await look(page, "link");
  await page.keyboard.press("Escape");
  const opened = await fetch(link);
  must((await opened.text()) === "signed in", `the link: ${opened.status}`);
}

/** A caller with a prefix and few rights sees what it may, and is told what it may not. */
async function bounded(page, token) {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Your token opens some names alone").waitFor();
  await page.getByRole("button", { name: "Show them" }).click();
  await page.getByText("1 file beginning with ci-").waitFor();
  await page.getByRole("button", { name: "Delete ci-1.txt" }).click();
  await page.getByRole("alertdialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("ci-1.txt was not deleted").waitFor();
  await page.getByText("You may not do this").waitFor();
  await page.keyboard.press("1");
  await page.getByText("Your token does not show the service's status").waitFor();
}

async function many() {
  const { url } = await order("start", { nodes: 100 });
  await order("store", { prefix: "f-", files: 1000, bytes: 2000 });
  const { page, check } = await open(url);
  await page.getByText("100 of 100").waitFor();
  await until("all columns", async () => (await columns(page)).filter((n) => n === 10).length === 100);
  await look(page, "nodes-100");
  await page.getByLabel("Filter nodes").fill("node-77");
  await until("one row", async () => (await page.locator(".nodes tbody tr").count()) === 1);
  await check();
}

/** The flag turns all of it off, and programs get at `/` what they always got. */
async function off() {
  const html = { headers: { Accept: "text/html" }, redirect: "manual" };
  let { url } = await order("start", { nodes: 0 });
  const sent = await fetch(url, html);
  must(sent.status === 303 && sent.headers.get("location") === "/ui", `sent: ${sent.status}`);
  must((await fetch(url)).status === 404, "a program is sent to the page");
  ({ url } = await order("start", { nodes: 0, manager_args: ["--console", "false"] }));
  for (const path of ["", "/ui", "/ui/", "/ui/index.html"]) {
    const found = await fetch(url + path, html);
    must(found.status === 404, `${path}: ${found.status}`);
    must((await found.json()).code === 6, path);
  }
}

/** Streams of the status have a bound of their own, and take no place of other requests. */
async function events() {
  const { url } = await order("start", { nodes: 1, manager_args: ["--max-requests", "1"] });
  const headers = { Accept: "text/event-stream" };
  const streams = [];
  for (let number = 0; number < 48; number += 1) {
    const stop = new AbortController();
    const response = await fetch(`${url}/status`, { headers, signal: stop.signal });
    must(response.status === 200, `stream ${number}: ${response.status}`);
    const { value } = await response.body.getReader().read();
    const event = Buffer.from(value).toString();
    must(/^event: status\ndata: \{"cluster_id".*\}\n\n$/.test(event), event);
    streams.push(stop);
  }
  const refused = await fetch(`${url}/status`, { headers });
  must(refused.status === 429 && (await refused.json()).code === 9, `${refused.status}`);
  must((await fetch(`${url}/status`)).status === 200, "streams hold places of requests");
  streams[0].abort();
  await until("the place of a stream that ended is free", async () => {
    const stop = new AbortController();
    const again = await fetch(`${url}/status`, { headers, signal: stop.signal });
    stop.abort();
    return again.status === 200;
  });
  for (const stop of streams) stop.abort();
}

export const service = {
  events,
  balance,
  "node-lost": death,
  problems: damaged,
  "manager-lost": manager,
  token,
  "nodes-100": many,
  off,
};
