/**
 * Joins what the command line loads into a few files: a process that sends one message spends most of its time on finding
 * and reading 300 modules. Lazily imported parts stay apart, so that each command loads what it needs. CommonJS, since an
 * ESM import of a built-in module evaluates all its lazy getters, and so loads `fetch` and much else.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Plugin, rolldown } from "rolldown";
import { licencesOf } from "./licences.ts";

const cli = fileURLToPath(new URL("../packages/cli/", import.meta.url));

/** A default import of a built-in module is the module, and not a copy of all that it exports. */
const builtins: Plugin = {
  name: "builtins",
  transform: {
    filter: { code: /import \w+ from ["']node:/ },
    handler: (code) =>
      code.replace(/import (\w+) from (["']node:[\w/]+["'])/g, "const $1 = globalThis.process.getBuiltinModule($2)"),
  },
};

rmSync(`${cli}bundle`, { recursive: true, force: true });
const bundle = await rolldown({
  input: `${cli}dist/main.js`,
  platform: "node",
  logLevel: "warn",
  // Modules made for a bundler can be joined; some of the others load their parts by names that are made up while they run.
  resolve: { mainFields: ["module", "main"] },
  plugins: [builtins],
});
const { output } = await bundle.write({
  dir: `${cli}bundle`,
  format: "cjs",
  entryFileNames: "[name].cjs",
  chunkFileNames: "[name]-[hash].cjs",
  // Less to read; names stay, for the sake of stack traces.
  minify: { compress: true, mangle: false, codegen: true },
});
await bundle.close();
const ofPage = readFileSync(new URL("../packages/console/dist/modules.json", import.meta.url), "utf8");
const modules = [
  ...output.flatMap((file) => (file.type === "chunk" ? file.moduleIds : [])),
  ...(JSON.parse(ofPage) as string[]),
];
writeFileSync(`${cli}bundle/LICENSES.txt`, licencesOf(modules));
