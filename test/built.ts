/**
 * The programs as `npm run build` makes them: they start ten times as fast as from their sources, and are what is installed.
 * A test that starts what was built of older sources would show nothing, so none does.
 */
import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const PACKAGES = ["sdk", "server", "console", "cli"];
/** What a build writes last, each time. */
const LAST = join(root, "packages/cli/bundle/LICENSES.txt");

let isBuilt = false;

/** The command line, built of the sources as they are. @throws Error if it is not */
export function builtCli(): string {
  expectBuilt();
  return join(root, "packages/cli/bin/aimessage.js");
}

/** The relay, built of the sources as they are. @throws Error if it is not */
export function builtRelay(): string {
  expectBuilt();
  return join(root, "packages/server/bin/aimessage-server.js");
}

/** @throws Error if anything of the packages' sources is newer than what was built of them */
export function expectBuilt(): void {
  if (isBuilt) return;
  const newer = newerThan(statSync(LAST, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  if (newer !== undefined)
    throw new Error(`${relative(root, newer)} is newer than the built programs that are tested: run \`npm run build\``);
  isBuilt = true;
}

function newerThan(time: number): string | undefined {
  return PACKAGES.flatMap((name) => {
    const folder = join(root, "packages", name, "src");
    return readdirSync(folder, { recursive: true, encoding: "utf8" }).map((path) => join(folder, path));
  }).find((path) => /\.(tsx?|css)$/.test(path) && statSync(path).mtimeMs > time);
}
