// Situations about orders: quarantine, drains, a lost node, the comparison.
import { look, must, open, order, until } from "./stage.mjs";

const named = async (url, name) => (await fetch(`${url}/file/${name}`, { method: "HEAD" })).status;
const held = async (url) => (await (await fetch(`${url}/quarantine`)).text()).split("\n").length - 1;

/** Copies come back one by one and all together, stay where their name is in use, and go. */
async function quarantine() {
  const { url } = await order("start-set-back");
  await order("put", { name: "new3", text: "another file of this name" });
  const { page, check } = await open(url, "problems");
  await page.getByRole("heading", { name: "10 in quarantine" }).waitFor();
  const rows = page.getByRole("list", { name: "Copies in quarantine" }).getByRole("listitem");
  await until("all are listed", async () => (await rows.count()) === 10);
  await look(page, "quarantine");
  const row = (name) => rows.filter({ hasText: new RegExp(`^${name}node`) });
  // One, by the keys: the focus goes on to the row in its place.
  await page.getByRole("button", { name: "Make it a file again: new0" }).focus();
  await page.keyboard.press("Enter");
  await page.getByText("new0 is a file again").waitFor();
  await until("nine are listed", async () => (await rows.count()) === 9);
  must((await named(url, "new0")) === 200, "new0 is no file");
  await until("the focus is on a row", () =>
    page.evaluate(() => document.activeElement?.closest(".copies li") !== null),
  );
  // A name in use, in plain words, and which file it is.
  await row("new3").getByRole("button", { name: "Make it a file again" }).click();
  await page.getByRole("alert").getByText("new3 stays in quarantine").waitFor();
  await page.getByRole("alert").getByText("Another file has this name").waitFor();
  await page.getByRole("alert").getByText(/new3 is file [0-9a-f-]{36} now/).waitFor();
  await page.getByRole("button", { name: "Close the message" }).first().click();
  // Removed after a question, and not without.
  await row("new5").getByRole("button", { name: "Remove for good" }).click();
  const question = page.getByRole("alertdialog");
  await question.getByText("can't be had back").waitFor();
  await look(page, "quarantine-remove");
  await page.keyboard.press("Escape");
  await question.waitFor({ state: "detached" });
  must((await held(url)) === 9, "it was removed without an answer");
  await row("new5").getByRole("button", { name: "Remove for good" }).click();
  await question.getByRole("button", { name: "Remove for good" }).click();
  await page.getByText("A copy of new5 is removed").waitFor();
  await until("eight are listed", async () => (await rows.count()) === 8);
  must((await held(url)) === 8, "it is still there");
  await adoptRest(page, rows, url);
  await check();
}

/** All at once: seven come back, and the one whose name is in use says so. */
async function adoptRest(page, rows, url) {
  await page.getByRole("button", { name: "Adopt all" }).click();
  const question = page.getByRole("alertdialog");
  await question.getByText("Make all 8 copies files again?").waitFor();
  await question.getByRole("button", { name: "Adopt all" }).click();
  await page.getByText("7 copies are files again. 1 copy stays:").waitFor();
  const kept = page.locator(".adopted li");
  await kept.getByRole("link", { name: "another file has this name" }).waitFor();
  must((await kept.innerText()).startsWith("new3 on node-"), await kept.innerText());
  await until("one is listed", async () => (await rows.count()) === 1);
  await page.getByRole("heading", { name: "1 in quarantine" }).waitFor();
  await look(page, "quarantine-kept");
  for (const name of ["new1", "new9"]) must((await named(url, name)) === 200, `${name} is no file`);
  must((await named(url, "new5")) === 404, "what was removed is back");
  await kept.getByRole("link").click();
  await page.getByText("1 file beginning with new3").waitFor();
  await page.keyboard.press("3");
  // What another caller does shows too.
  await fetch(`${url}/file/new3`, { method: "DELETE" });
  const adopted = await fetch(`${url}/quarantine/adopt-all`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: "{}",
  });
  must((await adopted.text()).includes('"adopted":true'), "new3 was not adopted");
  await page.getByText("Nothing needs you").waitFor();
}

/** Lines that a service could send: long names, more than are listed, and half a list. */
async function quarantineLong() {
  const { url } = await order("start-set-back");
  const { page, check } = await open(url, "overview");
  await page.getByText("2 of 2").waitFor();
  const name = `${"a-name-as-long-as-a-name-may-be-".repeat(7)}and-no-longer-than-255-byt.jpg`;
  const copy = (at) => ({
    node: "a-namespace/a-pool-with-a-long-name-node-0",
    id: `0199a0b0-0000-7000-8000-${String(at).padStart(12, "0")}`,
    generation: 1,
    filename: at === 0 ? name : at === 1 ? "شعار الشركة.svg" : `file-${at}`,
    size: 123_456_789,
    created: "2026-11-30T12:00:00Z",
    sha256: "0".repeat(64),
    reason: "no record lists it, found at 1795600665177",
  });
  const lines = (many) => Array.from({ length: many }, (_, at) => `${JSON.stringify(copy(at))}\n`).join("");
  await streams(page, "/quarantine", [
    { text: lines(3), end: "break" },
    { text: lines(200), end: "whole" },
  ]);
  await page.keyboard.press("3");
  await page.getByRole("alert").getByText("The answer broke off").waitFor();
  const rows = page.getByRole("list", { name: "Copies in quarantine" }).getByRole("listitem");
  must((await rows.count()) === 3, "what came is not shown");
  await look(page, "quarantine-half");
  await page.getByRole("button", { name: "Try again" }).click();
  await until("all are listed", async () => (await rows.count()) === 200);
  must((await page.getByRole("alert").count()) === 0, "it is still said to be broken");
  await check();
}

/** Has the page's calls of one path answered with texts, one after the other. */
async function streams(page, path, answers) {
  await page.evaluate(
    ({ path, answers }) => {
      const real = globalThis.fetch;
      globalThis.fetch = (to, init) => {
        if (new URL(to, location.href).pathname !== path || answers.length === 0) return real(to, init);
        const { text, end } = answers.shift();
        const body = new ReadableStream({
          async start(body) {
            init.signal.addEventListener("abort", () => {
              globalThis.stopped = true;
              body.error(new DOMException("aborted", "AbortError"));
            });
            body.enqueue(new TextEncoder().encode(text));
            if (end === "wait") return;
            await new Promise((done) => setTimeout(done, 300));
            if (end === "break") body.error(new TypeError("network error"));
            else body.close();
          },
        });
        return Promise.resolve(new Response(body));
      };
    },
    { path, answers },
  );
}

/** A drain is asked for, refused where there is no room, watched, and taken back. */
async function drain() {
  const slow = ["--move-files-per-second", "20"];
  const { url } = await order("start", { nodes: 2, manager_args: slow });
  await order("store", { prefix: "f-", files: 200, bytes: 1000 });
  const { page, check } = await open(url);
  await page.getByRole("button", { name: "Drain node-1" }).click();
  const question = page.getByRole("alertdialog");
  await question.getByText(/Its 100 files.* go to other nodes/).waitFor();
  await look(page, "drain-question");
  await page.keyboard.press("Escape");
  await question.waitFor({ state: "detached" });
  const drains = async () => (await (await fetch(`${url}/drains`)).json()).drains;
  must((await drains()).length === 0, "it was drained without an answer");
  await page.getByRole("button", { name: "Drain node-1" }).click();
  await question.getByRole("button", { name: "Drain", exact: true }).click();
  await page.getByText("node-1 is being drained").waitFor();
  await page.getByText(/\d+ files left, [\d.]+ files\/s/).first().waitFor();
  // The files of both have no room.
  await page.getByRole("button", { name: "Drain node-2" }).click();
  await question.getByRole("button", { name: "Drain", exact: true }).click();
  await question.getByText("There is no room for its files on the other nodes").waitFor();
  await question.getByText("not drained: node-2").waitFor();
  await look(page, "drain-refused");
  await question.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("button", { name: "Cancel drain of node-1" }).click();
  await page.getByText("node-1 takes files again").waitFor();
  await page.getByRole("button", { name: "Drain node-1" }).waitFor();
  must((await drains()).length === 0, "it is still drained");
  await emptied(page);
  await check();
}

/** What is drained to its end may be stopped, and costs nothing then. */
async function emptied(page) {
  await order("add-node");
  await page.getByRole("button", { name: "Drain node-3" }).click();
  const question = page.getByRole("alertdialog");
  await question.getByRole("button", { name: "Drain", exact: true }).click();
  await page.getByText("empty, can be stopped").waitFor();
  await page.getByText("Empty. It can be stopped").waitFor();
  await look(page, "drained");
  await order("kill-node", { at: 2 });
  await page.getByRole("button", { name: "Give up… node-3" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("No file is lost by it").waitFor();
  await dialog.getByLabel("type the number of files").fill("0");
  await page.keyboard.press("Enter");
  await page.getByText("node-3 is given up", { exact: true }).waitFor();
  await page.getByText("2 of 2").waitFor();
}

/** A lost node is given up at the cost that somebody typed, and at no other. */
async function giveUp() {
  const { url } = await order("start", { nodes: 3 });
  await order("store", { prefix: "report-", files: 60, bytes: 2000 });
  const { page, check } = await open(url, "problems");
  await order("kill-node", { at: 2 });
  await page.getByRole("heading", { name: "node-3 is unavailable" }).waitFor();
  await page.getByRole("button", { name: "Give up…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("20 files, 39.1 KiB, are lost").waitFor();
  await dialog.getByText("and 10 more").waitFor();
  await look(page, "give-up");
  const field = dialog.getByLabel("type the number of files");
  for (const wrong of ["2", "200", "twenty", "20.0", "-20"]) {
    await field.fill(wrong);
    await page.keyboard.press("Enter");
    await dialog.getByText("That is another number").waitFor();
  }
  await look(page, "give-up-wrong");
  const files = async () => (await (await fetch(`${url}/files`)).json()).files.length;
  must((await files()) === 60, "files went with a wrong number");
  await field.fill("20");
  await dialog.getByRole("button", { name: "Give it up" }).click();
  await page.getByText("node-3 is given up: 20 files lost").waitFor();
  await page.getByText("Nothing needs you").waitFor();
  must((await files()) === 40, `${await files()} files are left`);
  await check();
}

/** The comparison says that there is no difference only where it ended whole. */
async function compare() {
  const { url } = await order("start", { nodes: 2 });
  await order("store", { prefix: "f-", files: 20, bytes: 500 });
  const { page, check } = await open(url, "problems");
  const button = page.getByRole("button", { name: "Compare" });
  await button.click();
  await page.getByText("No differences").waitFor();
  await look(page, "compare-clean");
  await order("lose", { name: "f-000007.txt" });
  await button.click();
  const found = page.getByRole("list", { name: "Differences" }).getByRole("listitem");
  await found.getByText("f-000007.txt").waitFor();
  await page.getByText(/^1 difference\./).waitFor();
  must((await found.innerText()).includes("bytes are missing"), await found.innerText());
  const line = (at) => `{"kind":"missing-bytes","node":"node-1","filename":"g-${at}","generation":1}\n`;
  const many = Array.from({ length: 1234 }, (_, at) => line(at)).join("");
  await streams(page, "/fsck", [
    { text: "", end: "break" },
    { text: line(1).slice(0, -4), end: "whole" },
    { text: many, end: "wait" },
  ]);
  for (const _ of ["broke off", "ended in the middle of a line"]) {
    await button.click();
    await page.getByText("Not complete: no difference until it broke off").waitFor();
    await page.getByRole("alert").getByText("The answer broke off").waitFor();
    must(!(await page.getByText("No differences").isVisible()), "half an answer is no comparison");
  }
  await button.click();
  await page.getByText("Comparing, 1,234 differences so far").waitFor();
  must((await found.count()) === 501, `${await found.count()} are in the page`);
  await page.getByText("and 734 more").waitFor();
  await look(page, "compare");
  // It goes on while something else is looked at, and until it is stopped.
  await page.keyboard.press("1");
  await page.keyboard.press("3");
  await page.getByRole("button", { name: "Stop" }).click();
  await page.getByText("Stopped, and so not complete: 1,234 differences until then").waitFor();
  must(await page.evaluate(() => globalThis.stopped), "the call goes on");
  await check();
}

export const operate = {
  quarantine,
  "quarantine-long": quarantineLong,
  drain,
  "give-up": giveUp,
  compare,
};
