/** Backups between browsers and the command line's side. */
import { Agent } from "@aimessage/sdk/node";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasChromium } from "../../../../test/chromium.ts";
import { next } from "../files/world.ts";
import { newFolder } from "../store/folder.ts";
import { PageWorld } from "./page-world.ts";
import type { FilesPage } from "./page/files.ts";

declare const filesPage: FilesPage;

const PASSPHRASE = "correct horse battery staple";

const restore = (page: Page, sealed: string, passphrase: string): Promise<string> =>
  page.evaluate(([file, word]) => filesPage.restore(file, word), [sealed, passphrase] as const);
const backup = (page: Page, passphrase: string): Promise<string> =>
  page.evaluate((word) => filesPage.backup(word), passphrase);

// The key of a backup takes a browser a second or two of work each time.
describe.runIf(hasChromium)("a backup", { tags: ["long"] }, () => {
  let world: PageWorld;

  beforeAll(async () => {
    world = await PageWorld.create("files.ts");
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test("of a browser opens on the command line's side, with its identity and contacts", async () => {
    const page = await world.chromium.visit(world.url);
    await page.evaluate(([who, where]) => filesPage.open(who, where), ["alice", world.relay.url] as const);
    await using bob = await Agent.open({ username: "bob", server: world.relay.url, home: newFolder() });
    const { fingerprint } = await bob.verify("alice");
    await page.evaluate((to) => filesPage.sendText(to, "hello"), "bob");
    await next(bob);
    const sealed = await backup(page, PASSPHRASE);
    await expect(Agent.restore(sealed, "another passphrase", { home: newFolder() })).rejects.toMatchObject({
      code: "wrong_passphrase",
    });
    await using restored = await Agent.restore(sealed, PASSPHRASE, { home: newFolder() });
    expect(restored.fingerprint.replaceAll(/\s/g, "")).toBe(fingerprint.replaceAll(/\s/g, ""));
    expect((await restored.contacts()).map(({ username }) => username)).toEqual(["bob"]);
    await page.close();
  });

  test("of the command line's side opens in a browser, which is that agent then", async () => {
    const home = newFolder();
    const before = await Agent.open({ username: "carol", server: world.relay.url, home });
    const sealed = await before.backup(PASSPHRASE);
    await before.close();
    const page = await world.chromium.visit(world.url);
    expect(await restore(page, sealed, "another passphrase")).toBe("wrong_passphrase");
    expect(await restore(page, sealed.replace(/"sealed":"..../, '"sealed":"AAAA'), PASSPHRASE)).toBe(
      "wrong_passphrase",
    );
    expect(await restore(page, sealed.slice(1), PASSPHRASE)).toBe("bad_backup");
    expect(await restore(page, sealed, PASSPHRASE)).toBe(before.fingerprint);
    await using old = await Agent.open({ username: "carol", home, create: false });
    await expect(old.sync()).rejects.toMatchObject({ code: "device_replaced" });
    await page.close();
  });

  test("needs a passphrase that is not guessed", async () => {
    const page = await world.chromium.visit(world.url);
    await page.evaluate(([who, where]) => filesPage.open(who, where), ["dave", world.relay.url] as const);
    await expect(backup(page, "short")).rejects.toThrow(/passphrase/);
    await page.close();
  });
});
