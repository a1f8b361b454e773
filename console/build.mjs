// Makes `dist`, which the manager has in it: the same bytes from the same sources each time.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const out = process.argv[2] ?? "dist";
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });

const result = await build({
  entryPoints: ["src/main.tsx", "src/style.css", "src/icon.svg"],
  outdir: out,
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  charset: "utf8",
  // The names of files depend on where packages are found.
  preserveSymlinks: true,
  legalComments: "none",
  jsx: "automatic",
  jsxImportSource: "preact",
  loader: { ".svg": "copy" },
  target: ["es2022", "chrome123", "firefox121", "safari17.5"],
  metafile: true,
});

const made = (suffix) => {
  const file = Object.keys(result.metafile.outputs).find((name) => name.endsWith(suffix));
  return `/ui/${file.split("/").pop()}`;
};
const template = await readFile("src/index.html", "utf8");
const page = template
  .replace("SCRIPT", made(".js"))
  .replace("STYLE", made(".css"))
  .replace("ICON", made(".svg"));
await writeFile(`${out}/index.html`, page);
