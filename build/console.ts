/**
 * Builds the console's page, and says how large it is. Its files go into a module, so that whatever serves it finds it beside its own code,
 * wherever that was put.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";

const root = fileURLToPath(new URL("../packages/console/", import.meta.url));

const { output } = (await build({
  root,
  configFile: false,
  logLevel: "warn",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  resolve: { conditions: ["@aimessage/source", "browser", "import", "default"] },
  build: {
    write: false,
    target: "esnext",
    // What is inline is not allowed to run.
    assetsInlineLimit: 0,
    modulePreload: false,
    reportCompressedSize: false,
  },
})) as Rolldown.RolldownOutput;

const files = Object.fromEntries(
  output.map((file) => {
    const text = file.type === "chunk" ? file.code : file.source;
    return [`/${file.fileName}`, typeof text === "string" ? text : new TextDecoder().decode(text)];
  }),
);
mkdirSync(`${root}dist`, { recursive: true });
// What the page is made of, for the list of licences.
const modules = output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : []));
writeFileSync(`${root}dist/modules.json`, JSON.stringify(modules));
writeFileSync(`${root}dist/page.js`, `export const files = ${JSON.stringify(files, null, 1)};\n`);

const sizes = Object.entries(files).map(([name, text]) => ({
  name,
  bytes: text.length,
  gzipped: gzipSync(text).length,
}));
for (const { name, bytes, gzipped } of sizes) console.log(`console ${name}: ${bytes} bytes, ${gzipped} gzipped`);
