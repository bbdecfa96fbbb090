/** Whatever is asked of the store of a browser, it does what a map does. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { hasChromium, serveModule, startChromium } from "../../../../test/chromium.ts";
import { seed } from "../random.ts";
import type { ModelPage } from "./page/model.ts";

declare const modelPage: ModelPage;

const STORIES = { short: 10, long: 150 };

const module = (name: string): string => fileURLToPath(new URL(`page/${name}.ts`, import.meta.url));

async function tell(stories: number): Promise<void> {
  await using served = await serveModule(module("model"), { vitest: module("expect") });
  await using chromium = await startChromium();
  await chromium.page.goto(served.url);
  const told = chromium.page.evaluate(([from, count]) => modelPage.tell(from, count), [seed, stories] as const);
  expect(await told).toBeUndefined();
}

test.runIf(hasChromium)(`IndexedDB; SEED=${seed}`, () => tell(STORIES.short));
test.runIf(hasChromium)(`IndexedDB at length; SEED=${seed}`, { tags: ["long"] }, () => tell(STORIES.long));
