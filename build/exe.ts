/**
 * Makes single files that run without Node: `aimessage` and `aimessage-server` in exe/, by Bun's compiler. Bun comes by npx at
 * this version, and not with `npm ci`: it is larger than everything else together.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const BUN = "bun@1.4.5";
const root = fileURLToPath(new URL("../", import.meta.url));

for (const [program, entry] of [
  ["aimessage", "packages/cli/dist/main.js"],
  ["aimessage-server", "packages/server/dist/main.js"],
] as const) {
  const args = ["--yes", BUN, "build", "--compile", "--minify-syntax", entry, "--outfile", `exe/${program}`];
  const { status } = spawnSync("npx", args, { cwd: root, stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
}
