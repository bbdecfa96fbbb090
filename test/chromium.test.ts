/** The browser that tests get. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { expect, test } from "vitest";
import { childrenOf, isAlive } from "../lab/shared/descendants.ts";
import { hasChromium } from "./chromium.ts";
import { eventually } from "./waiting.ts";

const OWNER = `
import { startChromium } from ${JSON.stringify(new URL("chromium.ts", import.meta.url).href)};
await startChromium();
console.log("started");
`;

test.runIf(hasChromium)("nothing of a browser runs on when its owner is killed", async () => {
  const owner = spawn(process.execPath, ["--input-type=module", "-e", OWNER], { stdio: ["ignore", "pipe", "inherit"] });
  await once(createInterface(owner.stdout), "line");
  const started = childrenOf(owner.pid ?? 0);
  expect(started).toHaveLength(1);
  owner.kill("SIGKILL");
  await eventually("the browser ends", () => !started.some(isAlive));
});
