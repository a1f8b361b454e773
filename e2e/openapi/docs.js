// The page at /docs in a real browser, as `docs.js URL CHROMIUM LANGUAGES.MD [FOLDER]`: it
// loads nothing from elsewhere and breaks no rule of its policy, descriptions are rendered,
// and calls can be tried from it, without a token and with the one in TOKEN. Then the program
// in JavaScript of LANGUAGES.MD is run in it. A picture is left in FOLDER.
const { chromium } = require("playwright-core");
const assert = require("node:assert");
const { readFileSync } = require("node:fs");

const [url, executablePath, languages, pictures] = process.argv.slice(2);
const operation = (id) => `[id="operations-files-${id}"]`;

// Tries the call of an operation; FILL enters what it needs. Returns the status shown.
async function tried(page, id, fill) {
  const at = page.locator(operation(id));
  if (!(await at.locator(".opblock-body").count())) await at.locator(".opblock-summary").click();
  const tryOut = at.locator(".try-out__btn:not(.cancel)");
  if (await tryOut.count()) await tryOut.first().click();
  await fill(at);
  const called = (response) => ["fetch", "xhr"].includes(response.request().resourceType());
  const [answer] = await Promise.all([
    page.waitForResponse(called, { timeout: 10_000 }),
    at.locator("button.execute").click(),
  ]);
  // Of a call that is tried twice the page shows the former answer until it has this one.
  const shown = { hasText: new RegExp(`^\\s*${answer.status()}`) };
  const status = at.locator(".live-responses-table .response-col_status", shown).last();
  await status.waitFor({ timeout: 10_000 });
  return { status: (await status.innerText()).slice(0, 3), at };
}

const named = (name) => (at) => at.locator('tr[data-param-name="filename"] input').fill(name);
const hello = async (at) => {
  await named("hello from docs.txt")(at);
  const file = { name: "hello.txt", mimeType: "text/plain", buffer: Buffer.from("Hello, docs!\n") };
  await at.locator('.opblock-section-request-body input[type="file"]').setInputFiles(file);
};
const prefix = async (at) => {
  await at.locator('tr[data-param-name="prefix"] input').fill("hello from");
};

async function run() {
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
  const broken = [];
  await page.exposeFunction("told", (rule) => broken.push(rule));
  await page.addInitScript(() =>
    document.addEventListener("securitypolicyviolation", (event) =>
      told(`${event.effectiveDirective}: ${event.blockedURI}`),
    ),
  );
  page.on("pageerror", (error) => broken.push(String(error)));
  const asked = new Set();
  page.on("request", (request) => asked.add(request.url()));

  await page.goto(`${url}/docs`);
  await page.locator(operation("putFile")).waitFor();
  await page.locator(operation("postFile")).locator(".opblock-summary").click();
  const code = page.locator(`${operation("postFile")} .renderedMarkdown code`);
  // They are rendered a moment after the operation is opened.
  await code.nth(3).waitFor({ timeout: 10_000 });

  const before = await tried(page, "putFile", hello);
  assert.equal(before.status, "401", "without a token");
  await page.locator(".auth-wrapper .authorize").first().click();
  await page.locator(".modal-ux input").first().fill(process.env.TOKEN);
  await page.locator('.modal-ux button[type="submit"]').first().click();
  await page.locator(".modal-ux .btn-done").first().click();

  const stored = await tried(page, "putFile", hello);
  assert.equal(stored.status, "201", "stored");
  const fetched = await tried(page, "getFile", named("hello from docs.txt"));
  assert.equal(fetched.status, "200", "fetched");
  const download = page.waitForEvent("download");
  await fetched.at.locator(".live-responses-table a[download]").click();
  assert.equal(readFileSync(await (await download).path(), "utf8"), "Hello, docs!\n");
  const listed = await tried(page, "listFiles", prefix);
  assert.equal(listed.status, "200", "listed");
  assert.match(await listed.at.locator(".live-responses-table").innerText(), /hello from docs/);
  if (pictures) await page.screenshot({ path: `${pictures}/tried.png`, fullPage: true });
  const deleted = await tried(page, "deleteFile", named("hello from docs.txt"));
  assert.equal(deleted.status, "204", "deleted");

  // The program of docs/languages.md, as that page says that a browser runs it.
  const text = readFileSync(languages, "utf8");
  const [, program] = text.match(/\n```js\n.*?readFileSync.*?\n(.*?)\n```\n/s);
  const printed = [];
  page.on("console", (message) => message.type() === "log" && printed.push(message.text()));
  const own = `const url = "", token = ${JSON.stringify(process.env.TOKEN)};\n`;
  await page.evaluate(`(() => {\n${own}${program.replace(/^run\(\);$/m, "return run();")}\n})()`);
  const shown = text.split("\n```js\n")[1].split("\n```\n")[2];
  assert.equal(printed.join("\n"), shown);

  assert.deepEqual(broken, [], "rules of the policy, and errors");
  const elsewhere = [...asked].filter((each) => !each.startsWith(`${url}/`) && !/^(data|blob):/.test(each));
  assert.deepEqual(elsewhere, [], "requests to elsewhere");
  await browser.close();
  console.log(`the page at /docs: ${asked.size} addresses asked, all here; stored, fetched, listed, deleted`);
}

run().catch((error) => {
  console.error(error);
  process.exit(1);
});
