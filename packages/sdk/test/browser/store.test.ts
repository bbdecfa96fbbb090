/** The store of a browser, in a real one. */
import { fileURLToPath } from "node:url";
import { clientStoreCases } from "@aimessage/sdk/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Chromium, hasChromium, serveModule, type Served, startChromium } from "../../../../test/chromium.ts";

declare const run: (name: string) => Promise<string | undefined>;

describe.runIf(hasChromium)("IndexedDB", () => {
  let served: Served;
  let chromium: Chromium;

  beforeAll(async () => {
    served = await serveModule(fileURLToPath(new URL("page/store.ts", import.meta.url)));
    chromium = await startChromium();
    await chromium.page.goto(served.url);
  });
  afterAll(async () => {
    await chromium.kill();
    await served[Symbol.asyncDispose]();
  });

  test.for(clientStoreCases.map(({ name }) => name))("%s", async (name) => {
    expect(await chromium.page.evaluate((each) => run(each), name)).toBeUndefined();
  });
});
