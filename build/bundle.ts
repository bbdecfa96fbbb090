/**
 * Joins what the command line loads into a few files: a process that sends one message spends most of its time on finding
 * and reading 300 modules. Lazily imported parts stay apart, so that each command loads what it needs.
 */
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const cli = fileURLToPath(new URL("../packages/cli/", import.meta.url));

rmSync(`${cli}bundle`, { recursive: true, force: true });
const bundle = await rolldown({ input: `${cli}dist/main.js`, platform: "node", logLevel: "warn" });
await bundle.write({
  dir: `${cli}bundle`,
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "[name]-[hash].js",
});
await bundle.close();
