// Situations in which something is left while it is under way: a page that is hidden,
// deletes that are stopped, a queue whose person signs out.
import { must, open, order, until } from "./stage.mjs";

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const hide = (page, hidden) =>
  page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, hidden);

/** A hidden page holds no connection, and is live again once it is shown. */
async function hidden() {
  const { url } = await order("start", { nodes: 1 });
  const { page, check } = await open(url);
  const files = page.locator(".total .value").first();
  await page.getByText("Live").waitFor();
  let ended = 0;
  page.on("requestfailed", (request) => {
    if (new URL(request.url()).pathname === "/status") ended += 1;
  });
  await hide(page, true);
  await page.getByText("Connecting").waitFor();
  await until("its stream has ended", () => ended === 1);
  await order("put", { name: "meanwhile.txt", text: "stored" });
  await pause(2500);
  must((await files.innerText()) === "0", "a hidden page is live");
  await hide(page, false);
  await page.getByText("Live").waitFor();
  await until("the file is counted", async () => (await files.innerText()) === "1");
  await check();
}

/** Stop ends the deletes: what is reported to be gone is gone, and the others stay. */
async function stopDeleting() {
  const { url } = await order("start", { nodes: 1 });
  await order("store", { prefix: "old-", files: 14, bytes: 100 });
  const { page, check } = await open(url, "files");
  await page.route("**/file/*", async (route) => {
    if (route.request().method() === "DELETE") await pause(400);
    await route.continue();
  });
  for (let number = 0; number < 14; number += 1) {
    await page.getByLabel(`Choose old-0000${String(number).padStart(2, "0")}.txt`).check();
  }
  await page.getByRole("button", { name: "Delete 14" }).click();
  const question = page.getByRole("alertdialog");
  await question.getByRole("button", { name: "Delete" }).click();
  await question.getByText(/Deleting, [1-9]/).waitFor();
  await question.getByRole("button", { name: "Stop" }).click();
  await question.waitFor({ state: "detached" });
  const notice = page.getByText(/^Stopped: \d+ of 14 files deleted$/);
  await notice.waitFor();
  const gone = Number(/\d+/.exec(await notice.innerText())[0]);
  must(gone > 0 && gone < 14, `${gone} files were deleted`);
  await pause(1000);
  const { files } = await (await fetch(`${url}/files`)).json();
  must(files.length === 14 - gone, `${files.length} files are left, and ${gone} are gone`);
  await page.getByText(`${files.length} files`, { exact: true }).waitFor();
  await check();
}

const signIn = async (page, token) => {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByText("Live").waitFor();
  await page.keyboard.press("2");
};

const text = (name) => ({ name, mimeType: "text/plain", buffer: Buffer.from(name) });

/** Signing out asks before a queue is lost; a token that is no longer known keeps it. */
async function signOut() {
  const { url } = await order("start", { nodes: 1, closed: true });
  const { token } = await order("token", { rights: "get,list,create,delete,admin" });
  const { page, check } = await open(url);
  await signIn(page, token);
  // Uploads neither end nor fail for now.
  let answer = () => {};
  await page.route("**/file/*", (route) => answer(route));
  await page.setInputFiles("#pick-files", [text("a.txt"), text("b.txt")]);
  await page.getByText("0 of 2 files stored").waitFor();
  const leave = page.getByRole("button", { name: "Sign out" });
  await leave.click();
  const question = page.getByRole("alertdialog");
  await question.getByText("2 files in the queue would not be stored").waitFor();
  await question.getByRole("button", { name: "Cancel" }).click();
  await page.getByText("0 of 2 files stored").waitFor();
  await leave.click();
  await page.evaluate(() => {
    const behind = () => document.querySelector(".sign-in") && document.querySelector("dialog");
    new MutationObserver(() => {
      globalThis.behind ||= behind() !== null;
    }).observe(document.body, { childList: true, subtree: true });
  });
  await question.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  // What is typed there would be lost.
  must(!(await page.evaluate(() => globalThis.behind)), "the question stood before the sign-in");
  must(!(await page.getByText("not stored").isVisible()), "the queue is kept");
  await signIn(page, token);
  await page.getByText("No files yet").waitFor();
  must((await page.locator(".uploads").count()) === 0, "the queue is there again");

  answer = (route) => route.fulfill({ status: 401, body: '{"code":7,"message":"Not authorized"}' });
  await page.setInputFiles("#pick-files", [text("c.txt"), text("d.txt")]);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByText("2 files of whoever was signed in are not stored").waitFor();
  answer = (route) => route.continue();
  await signIn(page, token);
  await page.getByText("0 of 2 files stored").waitFor();
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("2 of 2 files stored").waitFor();
  await check();
}

export const leaving = {
  hidden,
  "delete-stop": stopDeleting,
  "sign-out": signOut,
};
