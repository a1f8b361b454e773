// What the situations share: the service, the browser, what must hold on every page, pictures.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";

const [installed, given] = process.argv.slice(2);
const require = createRequire(`${installed}/`);
const { chromium } = require("playwright-core");
const axe = require("axe-core");

export const flags = JSON.parse(given);

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Has something done to the service, and waits for its end. */
export async function order(what, more = {}) {
  process.stdout.write(`${JSON.stringify({ do: what, ...more })}\n`);
  const { value } = await answers.next();
  const answer = JSON.parse(value);
  if (answer.failed) throw new Error(answer.failed);
  return answer.done;
}

export function must(holds, what) {
  if (!holds) throw new Error(what);
}

/** Polls until something holds; the last failure says what did not. */
export async function until(what, check, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  let last = "";
  while (Date.now() < end) {
    try {
      const found = await check();
      if (found) return found;
    } catch (error) {
      last = ` (${error.message})`;
    }
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`waited ${seconds} s in vain: ${what}${last}`);
}

const browser = await chromium.launch({
  executablePath: flags.chromium,
  args: ["--no-sandbox", "--font-render-hinting=none"],
});
export const close = () => browser.close();

let latest;
/** What the page shows where a situation failed. */
export async function shown() {
  if (!latest || latest.isClosed()) return "no page";
  await latest.screenshot({ path: `${tmpdir()}/console-failed.png` });
  return latest.locator("body").innerText();
}

const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };
/** What the browser says of answers that a situation is about. */
const EXPECTED = /Failed to load resource|net::ERR_/;

/** A page of its own, and what it must never do. */
export async function open(url, view = "overview") {
  const context = await browser.newContext({
    viewport: DESKTOP,
    acceptDownloads: true,
    locale: "en-GB",
    timezoneId: "UTC",
  });
  const page = await context.newPage();
  latest = page;
  const wrong = [];
  page.on("console", (message) => {
    if (message.type() === "error" && !EXPECTED.test(message.text())) wrong.push(message.text());
  });
  page.on("pageerror", (error) => wrong.push(String(error)));
  page.on("request", (request) => {
    const at = new URL(request.url());
    if (at.origin !== new URL(url).origin && at.protocol !== "blob:") wrong.push(`loads ${at}`);
  });
  await page.goto(`${url}/ui#/${view}`);
  const check = async () => {
    must(wrong.length === 0, wrong.join("\n"));
    const cookies = await context.cookies();
    must(cookies.length === 0, "it has a cookie");
    await context.close();
  };
  return { page, check };
}

/** axe-core finds nothing serious, in both colours. */
async function accessible(page, name) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => globalThis.axe.run());
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    const told = serious.flatMap(({ id, help, nodes }) =>
      nodes.slice(0, 3).map((node) => `${id}: ${help}: ${node.html} ${node.any[0]?.message ?? ""}`),
    );
    must(told.length === 0, `${name}, ${colorScheme}: ${told.join("\n")}`);
    const minor = violations.filter((violation) => !serious.includes(violation));
    for (const { id, nodes } of minor) console.error(`  minor, ${name}: ${id}: ${nodes[0].html}`);
  }
}

/** Nothing stands beside the page on a phone. */
async function fits(page, name) {
  const wide = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  must(wide <= 0, `${name}: the page is ${wide} pixels wider than a phone`);
}

/** Checks what is shown, and takes its picture: light and dark, desktop and phone. */
export async function look(page, name) {
  await accessible(page, name);
  for (const [device, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
    await page.setViewportSize(viewport);
    if (device === "phone") await fits(page, name);
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      if (!flags.pictures) continue;
      await page.waitForTimeout(150);
      await picture(page, `${flags.pictures}/${name}-${device}-${colorScheme}.${flags.format}`);
    }
  }
  await page.setViewportSize(DESKTOP);
  await page.emulateMedia({ colorScheme: "light", reducedMotion: "reduce" });
}

async function picture(page, path) {
  if (flags.format === "png") return page.screenshot({ path });
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 70 });
  await session.detach();
  await writeFile(path, Buffer.from(data, "base64"));
}
