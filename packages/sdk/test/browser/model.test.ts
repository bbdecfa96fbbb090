/** Whatever is asked of the store of a browser, it does what a map does. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { hasChromium, serveModule, startChromium } from "../../../../test/chromium.ts";
import { seed } from "../random.ts";
import type { ModelPage } from "./page/model.ts";

declare const modelPage: ModelPage;

const STORIES = 150;

const module = (name: string): string => fileURLToPath(new URL(`page/${name}.ts`, import.meta.url));

test.runIf(hasChromium)(`IndexedDB; SEED=${seed}`, { tags: ["long"] }, async () => {
  await using served = await serveModule(module("model"), { vitest: module("expect") });
  await using chromium = await startChromium();
  await chromium.page.goto(served.url);
  const told = chromium.page.evaluate(([from, count]) => modelPage.tell(from, count), [seed, STORIES] as const);
  expect(await told).toBeUndefined();
});
