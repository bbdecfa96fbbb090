/** Files between agents in a real browser and others: what is sent from there, and what comes there. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Chromium, hasChromium, serveModule, type Served, startChromium } from "../../../../test/chromium.ts";
import { allGone, eventually, FileWorld, MIB, next, sha256 } from "../files/world.ts";
import { newFolder } from "../store/folder.ts";
import type { FilesPage } from "./page/files.ts";

declare const filesPage: FilesPage;

const list = (page: Page) => page.evaluate(() => filesPage.list());
const stateOf = (page: Page, id: string) => page.evaluate((each) => filesPage.stateOf(each), id);

const send = (page: Page, to: string, bytes: number, name = "data.csv"): Promise<string> =>
  page.evaluate(([whom, size, called]) => filesPage.send(whom, size, called), [to, bytes, name] as const);
const save = (page: Page, id: string, folder = ""): Promise<string> =>
  page.evaluate(([message, into]) => filesPage.save(message, into), [id, folder] as const);
const saved = (page: Page, path: string) => page.evaluate((each) => filesPage.saved(each), path);
/** The id of the last message that has come. */
const arrived = (page: Page): Promise<string> =>
  eventually("a message has come", async () => (await page.evaluate(() => filesPage.received())).at(-1));

/** What the page's `content` gives. */
function content(bytes: number): Uint8Array {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  for (let at = 0, word = 1; at < words.length; at++)
    words[at] = word = (Math.imul(word, 1_664_525) + 1_013_904_223) | 0;
  return new Uint8Array(words.buffer, 0, bytes);
}

describe.runIf(hasChromium)("an agent in a browser", { tags: ["long"] }, () => {
  let served: Served;
  let world: FileWorld;
  let chromium: Chromium;
  let count = 0;

  beforeAll(async () => {
    served = await serveModule(fileURLToPath(new URL("page/files.ts", import.meta.url)));
    world = await FileWorld.create({ origins: [new URL(served.url).origin] });
    chromium = await startChromium();
  });
  afterAll(async () => {
    await chromium.kill();
    await world[Symbol.asyncDispose]();
    await served[Symbol.asyncDispose]();
  });

  const visit = (browser: Chromium = chromium): Promise<Page> => browser.visit(served.url);
  const open = (page: Page, username: string) =>
    page.evaluate(([who, where]) => filesPage.open(who, where), [username, world.server] as const);
  /** A page with an agent, and one on the command line's side. */
  const pair = async (given?: Page) => {
    const [alice, bob] = [`page${++count}`, `node${count}`];
    const page = given ?? (await visit());
    await open(page, alice);
    return { alice, bob, page, node: await world.open(bob) };
  };

  test("sends files that come equal, and keeps nothing of them", async () => {
    const { bob, page, node } = await pair();
    const id = await send(page, bob, 9 * MIB + 17);
    const [file] = (await next(node)).files;
    expect(file).toMatchObject({ name: "data.csv", bytes: 9 * MIB + 17, type: "text/csv" });
    const path = await file!.save(world.path(bob));
    expect(readFileSync(path).equals(content(9 * MIB + 17))).toBe(true);
    await node.sync();
    await eventually("its sender knows that it has come", async () => (await stateOf(page, id)) === "fetched");
    await eventually("nothing is kept of it", async () => (await list(page)).length === 0);
    await allGone(world);
    await page.close();
  });

  test("saves files, gives them to its page when they are whole, and removes them when that says so", async () => {
    const { alice, page, node } = await pair();
    const sent = await node.send(alice, "x", {
      files: [{ path: world.file("a.html", content(5 * MIB + 1)), type: "text/html" }],
    });
    const id = await arrived(page);
    const path = await save(page, id, "in/here");
    expect(path).toMatch(/^in\/here\/part-[0-9a-f]{16}\/a\.html$/);
    // A page that opened it as what its sender calls it would run it as its own.
    expect(await saved(page, path)).toEqual({
      name: "a.html",
      type: "application/octet-stream",
      digest: sha256(content(5 * MIB + 1)),
    });
    const state = async () => (await sent.status()).files?.[0]?.state;
    await eventually("its sender knows that it has come", async () => (await state()) === "fetched");
    await allGone(world);
    expect(await save(page, id, "in/here")).toBe(path);
    const copy = await save(page, id, "elsewhere");
    expect(copy).toMatch(/^elsewhere\/part-[0-9a-f]{16}\/a\.html$/);
    for (const each of [path, copy]) expect(await page.evaluate((one) => filesPage.removeSaved(one), each)).toBe(true);
    expect(await list(page)).toEqual([]);
    expect(await saved(page, path)).toBeUndefined();
    expect(await save(page, id)).toBe("file_failed file_gone");
    await page.close();
  });

  test("streams a file without keeping it", async () => {
    const { alice, page, node } = await pair();
    await node.send(alice, "x", { files: [world.file("b", content(2 * MIB))] });
    const id = await arrived(page);
    expect(await page.evaluate((each) => filesPage.streamed(each), id)).toBe(sha256(content(2 * MIB)));
    expect(await list(page)).toEqual([]);
    await page.evaluate((each) => filesPage.handle(each), id);
    await allGone(world);
    await page.close();
  });

  test("saves nothing outside of its own files", async () => {
    const { alice, page, node } = await pair();
    await node.send(alice, "x", { files: [world.file("c", "text")] });
    const id = await arrived(page);
    for (const folder of ["..", "a/../..", "../../spool", ".hidden", "part-0123456789abcdef"])
      expect(await save(page, id, folder)).toBe("bad_file bad_name");
    expect(await list(page)).toEqual([]);
    await page.close();
  });

  test("goes on with a file that it sends when its tab was closed meanwhile, and it comes once", async () => {
    const { alice, bob, page, node } = await pair();
    const size = 10 * MIB;
    world.proxy.up = 0;
    world.proxy.hold();
    const id = await send(page, bob, size);
    await eventually("it is under way", () => world.proxy.held > 0);
    world.proxy.letGo();
    await eventually("a piece has come", () => world.proxy.up >= 8 * MIB);
    world.proxy.hold();
    await eventually("another is under way", () => world.proxy.held > 0);
    await page.close();
    world.proxy.letGo();
    const again = await visit();
    await open(again, alice);
    const message = await next(node);
    expect(readFileSync(await message.files[0]!.save(world.path(bob))).equals(content(size))).toBe(true);
    expect(world.proxy.up).toBeLessThan(size + 9 * MIB);
    expect(world.proxy.conflicts).toEqual([]);
    await node.sync();
    await eventually("its sender knows that it has come", async () => (await stateOf(again, id)) === "fetched");
    expect(await node.inbox()).toHaveLength(1);
    expect(await list(again)).toEqual([]);
    await again.close();
  });

  test("goes on with a file that it saves when its tab was closed meanwhile, and has it once", async () => {
    const { alice, page, node } = await pair();
    const size = 12 * MIB;
    await node.send(alice, "x", { files: [world.file("large", content(size))] });
    const id = await arrived(page);
    world.proxy.down = 0;
    world.proxy.bytesPerMs = 20_000;
    await page.evaluate((each) => filesPage.startToSave(each, "in"), id);
    await eventually("some of it has come", async () => (await page.evaluate(() => filesPage.come())) > 5 * MIB);
    await page.close();
    world.proxy.bytesPerMs = Infinity;
    // By what is asked for: what the closed tab had on its way may still pass.
    const before = world.proxy.requests.length;
    const again = await visit();
    await open(again, alice);
    expect((await list(again)).length).toBeGreaterThanOrEqual(1);
    const path = await save(again, id, "in");
    expect((await saved(again, path))?.digest).toBe(sha256(content(size)));
    // What was kept has not come again.
    const fetches = world.proxy.requests.slice(before).filter(({ method }) => method === "GET");
    const ranges = fetches.map(({ headers }) => /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? ""));
    // The header alone, which opens all of it, and what is missing.
    const starts = ranges.flatMap((range) => (range?.[2] === "39" ? [] : [Number(range?.[1] ?? 0)]));
    expect(starts.length).toBeGreaterThan(0);
    expect(Math.min(...starts)).toBeGreaterThan(3 * MIB);
    expect(new Set((await list(again)).map(([each]) => each.slice(0, each.lastIndexOf("/"))))).toEqual(
      new Set([`files/${path.slice(0, path.lastIndexOf("/"))}`]),
    );
    await again.close();
  });

  test("keeps what it sends encrypted", async () => {
    const { bob, page } = await pair();
    world.proxy.hold();
    const text = "nobody who copies the browser's files reads this ".repeat(100);
    await page.evaluate(([to, what]) => filesPage.sendText(to, what), [bob, text] as const);
    expect((await list(page)).map(([, bytes]) => bytes)).toEqual([text.length + 40 + 16]);
    expect(await page.evaluate(() => filesPage.holds("nobody who copies"))).toBe(false);
    world.proxy.letGo();
    await page.close();
  });

  test("refuses what is too large, or has no room, before anything of it is written", async () => {
    // One that has seen much room believes in it for a while.
    await using own = await startChromium();
    const page = await visit(own);
    const devtools = await page.context().newCDPSession(page);
    const { origin } = new URL(served.url);
    await devtools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 16 * MIB });
    const { alice, bob, node } = await pair(page);
    const refusal = (bytes: number | undefined, gives?: number) =>
      page.evaluate(([to, says, has]) => filesPage.refusal(to, says, has), [bob, bytes, gives] as const);
    expect(await refusal(2 ** 31 + 1)).toBe("bad_file too_large");
    expect(await refusal(16 * MIB)).toBe("disk_full");
    await node.send(alice, "x", { files: [world.file("d", 16 * MIB)] });
    const id = await arrived(page);
    expect(await save(page, id)).toBe("disk_full");
    expect(await list(page)).toEqual([]);
    // One of which nobody knows how long it is until it ends.
    expect(await refusal(undefined, 32 * MIB)).toBe("disk_full");
    expect(await list(page)).toEqual([]);
    await devtools.send("Storage.overrideQuotaForOrigin", { origin });
    expect((await saved(page, await save(page, id)))?.name).toBe("d");
  });

  test("leaves no file behind when it unregisters", async () => {
    const { alice, bob, page, node } = await pair();
    await node.send(alice, "x", { files: [world.file("e", "saved")] });
    await save(page, await arrived(page));
    world.proxy.hold();
    await send(page, bob, MIB);
    expect((await list(page)).length).toBeGreaterThan(1);
    expect(await page.evaluate(() => filesPage.unregister())).toBe(true);
    world.proxy.letGo();
    expect(await list(page)).toEqual([]);
    await page.close();
  });

  test("goes on in both directions when its browser is killed", { tags: ["long"] }, async () => {
    const profile = newFolder();
    const before = await startChromium(profile);
    const { alice, bob, page, node } = await pair(await visit(before));
    const size = 20 * MIB;
    await node.send(alice, "x", { files: [world.file("large", content(size))] });
    const id = await arrived(page);
    world.proxy.bytesPerMs = 10_000;
    await page.evaluate((each) => filesPage.startToSave(each, ""), id);
    const sent = await send(page, bob, size);
    await eventually("some of it has come", async () => (await page.evaluate(() => filesPage.come())) > 9 * MIB);
    await before.kill();
    world.proxy.bytesPerMs = Infinity;
    await using after = await startChromium(profile);
    const again = await visit(after);
    await open(again, alice);
    const path = await save(again, id);
    expect((await saved(again, path))?.digest).toBe(sha256(content(size)));
    const message = await next(node);
    expect(readFileSync(await message.files[0]!.save(world.path(bob))).equals(content(size))).toBe(true);
    await node.sync();
    await eventually("its sender knows that it has come", async () => (await stateOf(again, sent)) === "fetched");
    const place = `files/${path.slice(0, path.lastIndexOf("/"))}/`;
    expect((await list(again)).filter(([each]) => !each.startsWith(place))).toEqual([]);
    expect(world.proxy.conflicts).toEqual([]);
  });
});
