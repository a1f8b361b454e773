// Situations about files: uploads, downloads, deletes, long listings, a full service.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { flags, look, must, open, order, until } from "./stage.mjs";

const LONG = `${"a-name-as-long-as-a-name-may-be-".repeat(7)}and-no-longer-than-255-byt.jpg`;

function buffer(name, text, mimeType = "text/plain") {
  return { name, mimeType, buffer: Buffer.from(text) };
}

/** Drops files on the page, as a person does. */
async function drop(page, files) {
  const transfer = await page.evaluateHandle((files) => {
    const transfer = new DataTransfer();
    for (const { name, text } of files) transfer.items.add(new File([text], name));
    return transfer;
  }, files);
  await page.dispatchEvent("main", "dragover", { dataTransfer: transfer });
  await page.dispatchEvent("main", "drop", { dataTransfer: transfer });
}

async function stored(url, name) {
  const response = await fetch(`${url}/file/${encodeURIComponent(name)}`);
  must(response.ok, `${name}: ${response.status}`);
  return Buffer.from(await response.arrayBuffer());
}

async function empty() {
  const { url } = await order("start", { nodes: 3 });
  const { page, check } = await open(url, "files");
  await page.getByText("No files yet").waitFor();
  await look(page, "empty");
  await check();
}

async function upload() {
  const { url } = await order("start", { nodes: 3 });
  const { page, check } = await open(url, "files");
  await page.getByText("No files yet").waitFor();
  const big = Buffer.alloc(3 << 20, "the same again ");
  await page.setInputFiles("#pick-files", [
    { name: "report 2026 ä%.pdf", mimeType: "application/pdf", buffer: big },
  ]);
  await page.getByText("1 of 1 file stored").waitFor();
  must((await stored(url, "report 2026 ä%.pdf")).equals(big), "other bytes were stored");
  await drop(page, [
    { name: "notes.txt", text: "dropped" },
    { name: LONG, text: "long" },
    { name: "شعار الشركة.svg", text: "right to left" },
  ]);
  await page.getByText("4 of 4 files stored").waitFor();
  must((await stored(url, "notes.txt")).toString() === "dropped", "not what was dropped");
  // A name in use is refused, told in plain words, and nothing is replaced.
  await page.setInputFiles("#pick-files", [buffer("notes.txt", "another")]);
  await page.getByText("A file of this name exists").waitFor();
  must((await stored(url, "notes.txt")).toString() === "dropped", "it was replaced");
  await page.getByRole("button", { name: LONG, exact: true }).waitFor();
  await look(page, "upload");
  await check();
}

/** A folder keeps its names as `dfs put -r` maps them. */
async function folder() {
  const { url } = await order("start", { nodes: 2 });
  const { page, check } = await open(url, "files");
  await page.getByText("No files yet").waitFor();
  await page.evaluate(() => {
    const entry = (name, file) => ({
      isFile: true,
      name,
      file: (done) => done(new File([file], name)),
    });
    const folder = (name, within) => ({
      isFile: false,
      name,
      createReader: () => {
        const parts = [within, []];
        return { readEntries: (done) => done(parts.shift()) };
      },
    });
    const root = folder("photos", [entry("100%.txt", "x"), folder("2026", [entry("a.txt", "y")])]);
    const event = new Event("drop", { bubbles: true, cancelable: true });
    const items = [{ webkitGetAsEntry: () => root, getAsFile: () => null }];
    Object.defineProperty(event, "dataTransfer", { value: { types: ["Files"], items } });
    document.querySelector("main").dispatchEvent(event);
  });
  await page.getByText("2 of 2 files stored").waitFor();
  must((await stored(url, "photos%2F2026%2Fa.txt")).toString() === "y", "the folder's file");
  must((await stored(url, "photos%2F100%25.txt")).toString() === "x", "the percent sign");
  await check();
}

async function uploadMany() {
  const { url } = await order("start", { nodes: 3 });
  const { page, check } = await open(url, "files");
  await page.getByText("No files yet").waitFor();
  const files = Array.from({ length: 1000 }, (_, number) => ({
    name: `photo-${String(number).padStart(4, "0")}.raw`,
    text: `${number} `.repeat(20_000),
  }));
  await drop(page, files);
  await page.getByRole("button", { name: "Pause" }).waitFor();
  await until("some are stored", async () =>
    /^([1-9]\d*) of 1,000 files stored/.test(await page.locator(".uploads .hint").first().innerText()),
  );
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("Paused. Files that were under way").waitFor();
  const done = async () =>
    (await page.locator(".uploads .hint").first().innerText()).split(" of ")[0];
  const before = await done();
  await look(page, "upload-1000");
  must(before === (await done()), `it went on from ${before} to ${await done()}`);
  must(before !== "1,000", "there was nothing left to pause");
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("1,000 of 1,000 files stored").waitFor({ timeout: 60_000 });
  const status = await (await fetch(`${url}/files?limit=10000`)).json();
  must(status.files.length === 1000, `${status.files.length} files`);
  must((await stored(url, "photo-0999.raw")).toString() === files[999].text, "photo-0999.raw");
  await check();
}

async function download() {
  const { url } = await order("start", { nodes: 2 });
  await order("put", { name: "annual report.txt", text: "All is well.\n" });
  const { page, check } = await open(url, "files");
  await page.getByRole("button", { name: "annual report.txt", exact: true }).click();
  await page.getByRole("heading", { name: "File", exact: true }).waitFor();
  await look(page, "details");
  const [fetched] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("dialog").getByRole("button", { name: "Download" }).click(),
  ]);
  must(fetched.suggestedFilename() === "annual report.txt", fetched.suggestedFilename());
  must((await readFile(await fetched.path())).toString() === "All is well.\n", "other bytes");
  // With no node there, the refusal is told in plain words.
  await order("kill-node", { at: 0 });
  await order("kill-node", { at: 1 });
  await page.getByRole("dialog").getByRole("button", { name: "Download" }).click();
  await page.getByRole("alert").getByText("The file can't be read now").waitFor();
  await check();
}

async function remove() {
  const { url } = await order("start", { nodes: 2 });
  await order("store", { prefix: "old-", files: 12, bytes: 2000 });
  const { page, check } = await open(url, "files");
  // By the keys alone: to the list, down, and the question.
  await page.getByRole("button", { name: "old-000000.txt", exact: true }).focus();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("Delete");
  const question = page.getByRole("alertdialog");
  await question.getByText("old-000002.txt").waitFor();
  await look(page, "delete");
  await page.keyboard.press("Escape");
  await question.waitFor({ state: "detached" });
  must((await stored(url, "old-000002.txt")).length === 2000, "it was deleted without an answer");
  for (const number of [3, 5]) await page.getByLabel(`Choose old-00000${number}.txt`).check();
  await page.getByRole("button", { name: "Delete 2" }).click();
  await question.getByRole("button", { name: "Delete" }).click();
  await page.getByText("2 files deleted").waitFor();
  await until("they are gone", async () => {
    const { files } = await (await fetch(`${url}/files`)).json();
    return files.length === 10 && !files.some(({ filename }) => filename === "old-000003.txt");
  });
  await page.getByText("10 files", { exact: true }).waitFor();
  await check();
}

async function search() {
  const { url } = await order("start", { nodes: 2 });
  await order("store", { prefix: "photos%2F", files: 40, bytes: 100 });
  await order("store", { prefix: "invoice-", files: 60, bytes: 100 });
  const { page, check } = await open(url);
  await page.getByText("Nothing moves").waitFor();
  await page.keyboard.press("/");
  await until("the search has the focus", () =>
    page.locator("#search").evaluate((field) => field === document.activeElement),
  );
  await page.keyboard.type("invoice-00005");
  await page.getByText("10 files beginning with invoice-00005").waitFor();
  await look(page, "search");
  await page.keyboard.type("x");
  await page.getByText("No name begins with that").waitFor();
  await page.getByRole("button", { name: "Show all files" }).click();
  await page.getByText("100 files", { exact: true }).waitFor();
  await check();
}

async function listing() {
  const { url } = await order("start", { nodes: 2 });
  await order("store", { prefix: "measurement-", files: flags.names, bytes: 30 });
  const { page, check } = await open(url, "files");
  const first = page.getByRole("button", { name: "measurement-000000.txt", exact: true });
  await first.focus();
  await page.keyboard.press("End");
  await until("the next page comes", async () => {
    const text = await page.locator(".counted").innerText();
    return Number(text.split(" ")[0].replaceAll(",", "")) >= 2000;
  });
  const shown = `of ${flags.names.toLocaleString("en")} files`;
  await until("the total is there", async () =>
    (await page.locator(".counted").innerText()).endsWith(shown),
  );
  const rows = await page.locator(".files tbody:not(.space) tr").count();
  must(rows < 100, `${rows} rows are in the page`);
  await look(page, "listing");
  // To the very end, page by page, by the keys.
  const last = `measurement-${String(flags.names - 1).padStart(6, "0")}.txt`;
  await until(
    "the last name is in the page",
    async () => {
      await page.keyboard.press("End");
      return page.getByRole("button", { name: last, exact: true }).isVisible();
    },
    180,
  );
  const begun = performance.now();
  await page.locator("#search").fill(last.slice(0, -5));
  await page.getByText("files beginning with").or(page.getByText("1 file beginning")).waitFor();
  await page.getByRole("button", { name: last, exact: true }).waitFor();
  const took = performance.now() - begun;
  console.error(`  ${flags.names} names: the last one was found ${took.toFixed(0)} ms after typing`);
  // A bound for a debug build on a busy machine; the time above is what to look at.
  must(took < 20_000, `a search took ${took} ms`);
  await check();
}

async function full() {
  const { url } = await order("start", { nodes: 2, node_args: ["--reserve", "900TiB"] });
  const { page, check } = await open(url, "files");
  await page.getByText("No files yet").waitFor();
  await drop(page, [
    { name: "too-much.bin", text: "x".repeat(100_000) },
    { name: "more.bin", text: "y" },
  ]);
  await page.getByText("Paused: there is no room").waitFor();
  await look(page, "full");
  await check();
}

/** Digests in the details are those of the bytes. */
async function details() {
  const { url } = await order("start", { nodes: 1 });
  await order("put", { name: "a.txt", text: "digest" });
  const { page, check } = await open(url, "files");
  await page.getByRole("button", { name: "a.txt", exact: true }).press("Enter");
  const wanted = createHash("sha256").update("digest").digest("hex");
  must((await page.getByLabel("SHA-256", { exact: true }).inputValue()) === wanted, "the digest");
  await page.keyboard.press("Escape");
  await until("the focus is back", () =>
    page.evaluate(() => document.activeElement?.textContent === "a.txt"),
  );
  await check();
}

export const files = {
  empty,
  upload,
  folder,
  "upload-1000": uploadMany,
  download,
  details,
  delete: remove,
  search,
  listing,
  full,
};
