/** The store of a browser, in a real one. */
import { fileURLToPath } from "node:url";
import { clientStoreCases } from "@aimessage/sdk/testing";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Chromium, hasChromium, serveModule, type Served, startChromium } from "../../../../test/chromium.ts";
import type { StorePage } from "./page/store.ts";

declare const storePage: StorePage;

const take = (page: Page, role: string): Promise<boolean> => page.evaluate((as) => storePage.take("still", as), role);

/** Errors and bytes of another page are of other classes than this one's, by which these cases look. */
const OF_ONE_PAGE = /^(gives texts and bytes|is not changed by what its caller does)/;

describe.runIf(hasChromium)("IndexedDB", () => {
  let served: Served;
  let chromium: Chromium | undefined;
  const visit = (): Promise<Page> => chromium!.visit(served.url);

  beforeAll(async () => {
    served = await serveModule(fileURLToPath(new URL("page/store.ts", import.meta.url)));
    chromium = await startChromium();
    await chromium.page.goto(served.url);
  });
  afterAll(async () => {
    await chromium?.kill();
    await served[Symbol.asyncDispose]();
  });

  const names = clientStoreCases.map(({ name }) => name);
  test.for(names)("%s", async (name) => {
    expect(await chromium!.page.evaluate((each) => storePage.run(each), name)).toBeUndefined();
  });

  test.for(names.filter((name) => !OF_ONE_PAGE.test(name)))("of two pages: %s", { tags: ["long"] }, async (name) => {
    expect(await chromium!.page.evaluate((each) => storePage.run(each, true), name)).toBeUndefined();
  });

  test("gives way to a page of a later version, says so, and tells whoever waits for a change", async () => {
    expect(await chromium!.page.evaluate(() => storePage.outlive())).toEqual(["closed store_newer", true]);
  });

  test("gives the link to whoever asks, though another page that waits for it stands still", async () => {
    const [holder, waiting, next] = [await visit(), await visit(), await visit()];
    expect(await take(holder, "holder")).toBe(true);
    expect(await take(waiting, "waiting")).toBe(false);
    expect(await take(next, "next")).toBe(false);
    void waiting.evaluate(() => storePage.standStill(4_000)).catch(() => {});
    await holder.close();
    const began = performance.now();
    while (!(await take(next, "next"))) expect(performance.now() - began).toBeLessThan(3_000);
    expect(performance.now() - began).toBeLessThan(3_000);
    await waiting.close();
    await next.close();
  });
});
