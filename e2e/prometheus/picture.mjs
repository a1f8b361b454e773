// A picture of the dashboard: its panels as they stand in its JSON, with the numbers that
// Prometheus gave for their queries. uPlot draws them; this is not Grafana's own drawing.
import { createRequire } from "node:module";
import { readFile, writeFile } from "node:fs/promises";

const [installed, input, output, executablePath] = process.argv.slice(2);
const require = createRequire(`${installed}/`);
const { chromium } = require("playwright-core");
const uplot = `${installed}/node_modules/uplot/dist`;
const { title, panels } = JSON.parse(await readFile(input, "utf8"));

const WIDTH = 1200;
const COLUMN = WIDTH / 24;
const ROW = 24;

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--font-render-hinting=none"],
});
try {
  const page = await browser.newPage({ viewport: { width: WIDTH, height: 800 } });
  await page.setContent(`<!doctype html><meta charset="utf-8"><style>
    ${await readFile(`${uplot}/uPlot.min.css`, "utf8")}
    body { margin: 0; background: #111217; color: #ccccdc; font: 12px sans-serif; position: relative }
    section { position: absolute; background: #181b1f; border: 1px solid #2a2d33; border-radius: 2px;
      box-sizing: border-box; overflow: hidden; padding: 6px }
    h1 { font-size: 15px; margin: 0; padding: 10px; height: 20px }
    h2 { font-size: 12px; margin: 0 0 2px }
    .number { font-size: 30px; text-align: center; line-height: 52px }
    ol { list-style: none; margin: 0; padding: 0; height: 17px; overflow: hidden; white-space: nowrap }
    li { display: inline; margin-right: 10px; font-size: 11px }
  </style><h1></h1>`);
  await page.addScriptTag({ path: `${uplot}/uPlot.iife.min.js` });
  await page.evaluate(draw, { title, panels, COLUMN, ROW });
  const session = await page.context().newCDPSession(page);
  const height = await page.evaluate(() => document.body.offsetHeight);
  await page.setViewportSize({ width: WIDTH, height });
  const { data } = await session.send("Page.captureScreenshot", { format: "webp", quality: 60 });
  await writeFile(output, Buffer.from(data, "base64"));
} finally {
  await browser.close();
}

/** Runs in the page. */
function draw({ title, panels, COLUMN, ROW }) {
  const COLOURS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff9830", "#f2495c", "#b877d9", "#5794f2"];
  const TOP = 40;
  const prefixed = (value, step, units) => {
    let unit = 0;
    while (Math.abs(value) >= step && unit < units.length - 1) [value, unit] = [value / step, unit + 1];
    return `${Number(value.toPrecision(3))} ${units[unit]}`.trim();
  };
  const words = {
    bytes: (value) => prefixed(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]),
    Bps: (value) => prefixed(value, 1000, ["B/s", "kB/s", "MB/s", "GB/s"]),
    reqps: (value) => `${Number(value.toPrecision(3))} req/s`,
    s: (value) => (value < 1 ? `${Number((value * 1000).toPrecision(3))} ms` : `${value} s`),
    short: (value) => prefixed(value, 1000, ["", "K", "Mil", "Bil"]),
  };
  document.querySelector("h1").textContent = title;
  let bottom = 0;
  for (const panel of panels) {
    const box = document.body.appendChild(document.createElement("section"));
    const { x, y, w, h } = panel.gridPos;
    const [width, height] = [w * COLUMN - 4, h * ROW - 4];
    Object.assign(box.style, {
      left: `${x * COLUMN + 2}px`, top: `${TOP + y * ROW}px`, width: `${width}px`, height: `${height}px`,
    });
    bottom = Math.max(bottom, TOP + (y + h) * ROW);
    box.appendChild(document.createElement("h2")).textContent = panel.title;
    const word = words[panel.unit] ?? words.short;
    if (panel.type === "stat") {
      const last = panel.series[0].points.at(-1)[1];
      const step = panel.steps.filter(({ value }) => value === null || last >= value).at(-1);
      const number = box.appendChild(document.createElement("div"));
      number.className = "number";
      number.textContent = word(last);
      number.style.color = { red: "#f2495c", green: "#73bf69" }[step?.color] ?? "#73bf69";
      continue;
    }
    const times = [...new Set(panel.series.flatMap(({ points }) => points.map(([at]) => at)))].sort();
    const values = panel.series.map(({ points }) => {
      const known = new Map(points);
      return times.map((at) => known.get(at) ?? null);
    });
    const axis = { stroke: "#9fa7b3", grid: { stroke: "#2a2d33", width: 1 }, font: "11px sans-serif" };
    new uPlot({
      width: width - 14, height: height - 42, legend: { show: false }, cursor: { show: false },
      series: [{}, ...panel.series.map((_, at) => ({ stroke: COLOURS[at % COLOURS.length], width: 1 }))],
      axes: [axis, { ...axis, size: 68, values: (_, all) => all.map((value) => word(value)) }],
      scales: { y: { range: (_, low, high) => [Math.min(0, low), high > 0 ? high * 1.1 : 1] } },
    }, [times, ...values], box);
    const list = box.appendChild(document.createElement("ol"));
    panel.series.forEach(({ name }, at) => {
      const item = list.appendChild(document.createElement("li"));
      item.textContent = `— ${name}`;
      item.style.color = COLOURS[at % COLOURS.length];
    });
  }
  document.body.style.height = `${bottom + 4}px`;
}
