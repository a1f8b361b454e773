// The console in a real Chromium: each situation is a service of its own, and what the page
// shows of it. `e2e console` starts this, and does what it orders.
import { close, flags, shown } from "./stage.mjs";
import { files } from "./files.mjs";
import { leaving } from "./leaving.mjs";
import { operate } from "./operate.mjs";
import { service } from "./service.mjs";

let ran = 0;
const failed = [];
try {
  for (const [name, situation] of Object.entries({ ...files, ...service, ...operate, ...leaving })) {
    if (!name.includes(flags.only)) continue;
    const begun = performance.now();
    const outcome = await situation().then(
      () => "ok",
      async (error) => {
        failed.push(`${name}: ${error.message}`);
        return `failed: ${error.stack}\nThe page shows:\n${await shown()}\n`;
      },
    );
    ran += 1;
    console.error(`${name}: ${outcome} (${((performance.now() - begun) / 1000).toFixed(1)} s)`);
  }
  if (ran === 0 && flags.only !== "sources") throw new Error("no situation has that in its name");
  if (failed.length > 0) throw new Error(`failed: ${failed.join("; ")}`);
  console.error(`console: ${ran} situations`);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await close();
  process.stdin.destroy();
}
