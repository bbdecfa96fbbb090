/** The console as a relay serves it: the agent lives in the browser. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "@aimessage/sdk/node";
import { createRelay, type Relay } from "@aimessage/server";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Chromium, hasChromium, startChromium } from "../../../../test/chromium.ts";
import { eventually } from "../../../../test/waiting.ts";
import { lookAs, LOOKS, looksRight } from "./looks-right.ts";
import { goTo } from "./world.ts";

const PASSPHRASE = "correct horse battery staple";

describe.runIf(hasChromium)("aimessage-server --console", () => {
  const folder = mkdtempSync(join(tmpdir(), "browser-back-"));
  let relay: Relay;
  let chromium: Chromium;
  let page: Page;
  let bob: Agent;
  const complaints: string[] = [];
  const address = () => `${relay.url.replace(/^ws/, "http").replace(/\/ws$/, "")}/console/`;
  const line = (text: string, tab = page) => tab.locator(".line", { hasText: text });
  const visit = async (): Promise<Page> => {
    const tab = await chromium.visit("about:blank");
    tab.on("console", (message) => {
      if (message.type() === "error") complaints.push(message.text());
    });
    tab.on("pageerror", (error) => complaints.push(String(error)));
    await tab.goto(address());
    return tab;
  };

  /** Each test may run alone. */
  const register = async (name: string): Promise<void> => {
    const there = page.getByRole("navigation", { name: "Agents" }).getByRole("link", { name, exact: true });
    await goTo(page, name, "place");
    await page.getByRole("textbox", { name: "Name of the new agent" }).waitFor();
    if ((await there.count()) > 0) return;
    await page.getByRole("textbox", { name: "Name of the new agent" }).fill(name);
    await page.getByRole("button", { name: "Register" }).click();
    await there.waitFor();
  };

  beforeAll(async () => {
    relay = await createRelay({ port: 0, store: "memory", noLimits: true, console: true });
    chromium = await startChromium();
    bob = await Agent.open({ username: "bob", server: relay.url, home: join(folder, "bob") });
    page = await visit();
  });
  afterAll(async () => {
    await chromium.kill();
    await bob.close();
    await relay[Symbol.asyncDispose]();
  });

  test("registers an agent whose keys stay in the browser, and says whom one trusts with that", async () => {
    await page.getByText("Whoever serves them could serve a page that reads them").waitFor();
    await register("alice");
    expect((await bob.verify("alice")).fingerprint).toHaveLength(64);
    expect(complaints).toEqual([]);
  });

  test("talks to an agent of the command line both ways", async () => {
    await register("alice");
    await goTo(page, "alice", "talk", "bob");
    void bob.handle(async (message) => message.handled({ body: `re: ${message.body}` }));
    await page.getByRole("textbox", { name: "Message to bob" }).fill("from a browser");
    await page.keyboard.press("Enter");
    await line("from a browser").locator(".state.handled").first().waitFor();
    await line("re: from a browser").waitFor();
    const sent = await bob.send("alice", "and from a terminal");
    await line("and from a terminal")
      .getByRole("button", { name: /^Handled/ })
      .click();
    expect((await sent.handled()).state).toBe("handled");
  });

  test("sends files and saves them", async () => {
    await register("alice");
    await goTo(page, "alice", "talk", "bob");
    const bytes = randomBytes(300_000);
    const path = join(folder, "report.bin");
    writeFileSync(path, bytes);
    const [chooser] = await Promise.all([
      page.waitForEvent("filechooser"),
      page.getByRole("button", { name: "Add files" }).click(),
    ]);
    await chooser.setFiles([path]);
    await page.getByRole("textbox", { name: "Message to bob" }).fill("a file from a page");
    await page.keyboard.press("Enter");
    const came = await eventually("bob has it", async () =>
      (await bob.inbox()).find(({ body }) => body === "a file from a page"),
    );
    const [file] = (await bob.message(came.id)).files;
    expect(readFileSync(await file!.save(join(folder, "saved")))).toEqual(bytes);
    await bob.send("alice", "and one back", { files: [path] });
    const loading = page.waitForEvent("download");
    await line("and one back").first().getByRole("button", { name: "Save report.bin" }).click();
    expect(readFileSync(await (await loading).path())).toEqual(bytes);
  });

  test("has what waited while its tab was closed, once; two tabs are one agent", async () => {
    await page.close();
    for (const body of ["while away", "and more"]) await (await bob.send("alice", body)).stored();
    page = await visit();
    const second = await visit();
    for (const tab of [page, second]) {
      await goTo(tab, "alice", "talk", "bob");
      await line("and more", tab).waitFor();
      expect(await line("while away", tab).count()).toBe(1);
    }
    await second.getByRole("textbox", { name: "Message to bob" }).fill("from the second tab");
    await second.keyboard.press("Enter");
    await line("re: from the second tab").waitFor();
    await second.close();
  });

  test("makes a backup that opens on the command line's side, and takes one of that", { tags: ["long"] }, async () => {
    await register("alice");
    await page.getByLabel("Passphrase of the backup").fill(PASSPHRASE);
    await page.getByLabel("The same passphrase again").fill(PASSPHRASE);
    const loading = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download a backup" }).click();
    const sealed = readFileSync(await (await loading).path(), "utf8");
    expect(sealed).toContain('"aimessage_backup":1');
    await using restored = await Agent.restore(sealed, PASSPHRASE, { home: join(folder, "restored") });
    expect(restored.username).toBe("alice");
    await restored.sync();

    const carol = await Agent.open({ username: "carol", server: relay.url, home: join(folder, "carol") });
    const { fingerprint } = carol;
    const file = join(folder, "carol.backup");
    writeFileSync(file, await carol.backup(PASSPHRASE));
    await carol.close();
    await page.getByLabel("File of a backup").setInputFiles(file);
    await page.getByLabel("Passphrase that the backup was made with").fill("another passphrase");
    await page.getByRole("button", { name: "Restore" }).click();
    await page.getByRole("alert").getByText("the passphrase is not the one").waitFor();
    await page.getByLabel("Passphrase that the backup was made with").fill(PASSPHRASE);
    await page.getByRole("button", { name: "Restore" }).click();
    await page.getByRole("heading", { name: "carol" }).waitFor();
    await goTo(page, "carol", "verify");
    await page.getByText("Owners of other agents").waitFor();
    const shown = await page.locator(".fingerprint").first().innerText();
    expect(shown.replaceAll(/\s/g, "")).toBe(fingerprint.replaceAll(/\s/g, ""));
    await using before = await Agent.open({ username: "carol", home: join(folder, "carol"), create: false });
    await expect(before.sync()).rejects.toMatchObject({ code: "device_replaced" });
  });

  test("is usable for everybody", { tags: ["long"] }, async () => {
    await register("alice");
    for (const look of LOOKS) {
      await lookAs(page, look);
      await looksRight(page, "place", look);
    }
    await lookAs(page, LOOKS[0]);
  });

  test("[C-5] is in nobody's frame, and runs nothing but its own", async () => {
    for (const path of ["", "index.html"]) {
      const { headers } = await fetch(address() + path);
      expect(headers.get("content-security-policy")).toContain("frame-ancestors 'none'");
    }
    expect((await fetch(`${address()}../console/../health`)).status).toBe(200);
    expect((await fetch(`${address()}nothing.js`)).status).toBe(404);
    await using bare = await createRelay({ port: 0, store: "memory" });
    expect((await fetch(`${bare.url.replace(/^ws/, "http").replace(/\/ws$/, "")}/console/`)).status).toBe(404);
  });
});
