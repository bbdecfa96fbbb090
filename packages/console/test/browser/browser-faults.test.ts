/** The console whose agents live in the browser, where something is wrong with the browser, its disk, or who serves the page. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent } from "@aimessage/sdk/node";
import { createRelay } from "@aimessage/server";
import type { Page } from "playwright-core";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { builtCli } from "../../../../test/built.ts";
import { type Chromium, hasChromium, startChromium } from "../../../../test/chromium.ts";
import { freePort, Program } from "../../../../test/processes/processes.ts";
import { eventually } from "../../../../test/waiting.ts";
import { goTo } from "./world.ts";

const folder = mkdtempSync(join(tmpdir(), "browser-faults-"));
const newFolder = (): string => mkdtempSync(join(folder, "x-"));
const line = (page: Page, text: string) => page.locator(".line", { hasText: text });

async function startBrowser(profile?: string): Promise<Chromium> {
  const browser = await startChromium(profile);
  onTestFinished(() => browser.kill());
  return browser;
}

async function startRelay(origins: string[] = []) {
  const relay = await createRelay({ port: 0, store: "memory", noLimits: true, console: true, origins });
  onTestFinished(() => relay[Symbol.asyncDispose]());
  return { url: relay.url, page: `${relay.url.replace(/^ws/, "http").replace(/\/ws$/, "")}/console/` };
}

async function inNode(username: string, server: string): Promise<Agent> {
  const agent = await Agent.open({ username, server, home: newFolder() });
  onTestFinished(() => agent.close());
  return agent;
}

async function register(page: Page, name: string): Promise<void> {
  await page.getByRole("textbox", { name: "Name of the new agent" }).fill(name);
  await page.getByRole("button", { name: "Register" }).click();
}

/** Types and sends, and resolves when the page says that it has taken it. */
async function say(page: Page, text: string, to = "bob"): Promise<void> {
  const field = page.getByRole("textbox", { name: `Message to ${to}` });
  await field.fill(text);
  await field.press("Enter");
  await eventually("it is taken", async () => (await field.inputValue()) === "" || undefined);
}

describe.runIf(hasChromium)("agents in a browser, through their page", () => {
  afterAll(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));

  test("a page that this machine serves is an agent at a relay that knows it, and says what one has to be told that does not", async () => {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const relays = { knows: await startRelay([origin]), "does not": await startRelay() };
    const { page } = await startBrowser();
    for (const [which, { url }] of Object.entries(relays)) {
      const served = new Program([
        builtCli(),
        "-s",
        url,
        "console",
        "--serve-browser",
        "--port",
        `${port}`,
        "--no-open",
      ]);
      served.start();
      await eventually("it says where it is", () => served.lines.find((said) => said.includes(`--origin ${origin}`)));
      await page.goto("about:blank");
      await page.goto(`${origin}/#//place`);
      await page.getByText(`--origin ${origin}`).waitFor();
      await page.getByText(url).waitFor();
      await register(page, which === "knows" ? "alice" : "nobody");
      if (which === "knows") {
        const bob = await inNode("bob", url);
        void bob.handle(async (message) => message.handled({ body: `re: ${message.body}` }));
        await page.getByRole("heading", { name: "A backup of alice" }).waitFor();
        await goTo(page, "alice", "talk", "bob");
        await say(page, "from this machine's page");
        await line(page, "re: from this machine's page").waitFor();
      } else await page.getByRole("alert").getByText("no relay answers").waitFor();
      await served.end("SIGTERM");
    }
  });

  test("a full disk is told of, and nothing is lost that the page has taken", async () => {
    const { url, page: address } = await startRelay();
    const { page } = await startBrowser();
    const devtools = await page.context().newCDPSession(page);
    const { origin } = new URL(address);
    await devtools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1_000_000 });
    await page.goto(address);
    await register(page, "alice");
    await page.getByRole("heading", { name: "A backup of alice" }).waitFor();
    const home = newFolder();
    await (await Agent.open({ username: "bob", server: url, home })).close();
    await goTo(page, "alice", "talk", "bob");
    const field = page.getByRole("textbox", { name: "Message to bob" });
    const refusal = page.getByRole("alert").getByText("no more room");
    let taken = 0;
    for (; taken < 40; taken++) {
      await field.fill(`${taken} ${"x".repeat(60_000)}`);
      await field.press("Enter");
      await eventually(
        "it is taken, or refused",
        async () => (await field.inputValue()) === "" || (await refusal.isVisible()) || undefined,
      );
      if (await refusal.isVisible()) break;
    }
    expect(taken).toBeGreaterThan(2);
    expect(taken).toBeLessThan(40);
    expect(await field.inputValue()).toMatch(new RegExp(`^${taken} x`));
    await devtools.send("Storage.overrideQuotaForOrigin", { origin });
    await field.press("Enter");
    await eventually("there is room", async () => (await field.inputValue()) === "" || undefined);
    const got: string[] = [];
    await using bob = await Agent.open({ username: "bob", home });
    void bob.handle(async ({ body }) => void got.push(body.slice(0, body.indexOf(" "))));
    await eventually("all of it comes", () => got.length > taken);
    expect(got).toEqual(Array.from({ length: taken + 1 }, (_, at) => `${at}`));
  });

  test(
    "a browser that is killed in the middle of two hundred messages each way has lost and doubled none",
    { tags: ["long"] },
    async () => {
      const { url, page: address } = await startRelay();
      const profile = newFolder();
      const before = await startBrowser(profile);
      await before.page.goto(address);
      await register(before.page, "alice");
      await before.page.getByRole("heading", { name: "A backup of alice" }).waitFor();
      await goTo(before.page, "alice", "talk", "bob");
      const bob = await inNode("bob", url);
      const got: string[] = [];
      void bob.handle(async ({ body }) => void got.push(body));
      const sent = Promise.all(Array.from({ length: 200 }, (_, at) => bob.send("alice", `to ${at}.`)));
      const taken: string[] = [];
      const typing = (async () => {
        for (let at = 0; at < 200; at++) {
          await say(before.page, `from ${at}.`);
          taken.push(`from ${at}.`);
        }
      })();
      typing.catch(() => {});
      await eventually("some are on their way", () => taken.length > 30);
      await before.kill();
      expect(taken.length).toBeLessThan(200);

      const { page } = await startBrowser(profile);
      await page.goto(address);
      for (const each of await sent) await each.received();
      await eventually("what was typed has come", () => taken.every((body) => got.includes(body)));
      await goTo(page, "alice", "talk", "bob");
      const exported = async () => {
        const loading = page.waitForEvent("download");
        await page.getByRole("button", { name: "Export" }).click();
        const text = readFileSync(await (await loading).path(), "utf8");
        return text
          .trim()
          .split("\n")
          .map((each) => JSON.parse(each) as { kind: string; body: string; state: string });
      };
      const whole = await eventually("all that was typed is said to be handled", async () => {
        const lines = await exported();
        return lines.every(({ kind, state }) => kind !== "sent" || state === "handled") ? lines : undefined;
      });
      const bodies = whole.map(({ body }) => body);
      const came = bodies.filter((body) => body.startsWith("to "));
      expect(came.toSorted()).toEqual(Array.from({ length: 200 }, (_, at) => `to ${at}.`).toSorted());
      // The one that was being typed may have been taken before the page could say so.
      expect(got).toEqual(Array.from({ length: got.length }, (_, at) => `from ${at}.`));
      expect(got.length - taken.length).toBeLessThan(2);
      expect(bodies.filter((body) => body.startsWith("from ")).toSorted()).toEqual(got.toSorted());
    },
  );
});
