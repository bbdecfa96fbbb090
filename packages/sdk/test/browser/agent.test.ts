/** Agents that live in a real browser, and talk to others. */
import { fileURLToPath } from "node:url";
import { Agent } from "@aimessage/sdk/node";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Chromium, hasChromium, serveModule, startChromium } from "../../../../test/chromium.ts";
import { eventually } from "../../../../test/waiting.ts";
import { newFolder } from "../store/folder.ts";
import { PageWorld } from "./page-world.ts";
import type { AgentPage } from "./page/agent.ts";

declare const agentPage: AgentPage;

const inbox = (page: Page): Promise<string[]> => page.evaluate(() => agentPage.inbox());

describe.runIf(hasChromium)("an agent in a browser", () => {
  let world: PageWorld;
  let count = 0;

  beforeAll(async () => {
    world = await PageWorld.create("agent.ts");
  });
  afterAll(() => world[Symbol.asyncDispose]());

  const name = (): string => `agent${++count}`;
  const visit = (browser: Chromium = world.chromium): Promise<Page> => browser.visit(world.url);
  const open = (page: Page, username: string, { answers = true } = {}) =>
    page.evaluate(([who, where, does]) => agentPage.open(who, where, does), [
      username,
      world.relay.url,
      answers,
    ] as const);
  const inNode = async (username: string): Promise<Agent> => {
    const agent = await Agent.open({ username, server: world.relay.url, home: newFolder() });
    onTestFinished(() => agent.close());
    return agent;
  };

  test("registers, and talks to one on the command line's side both ways", async () => {
    const [alice, bob] = [name(), name()];
    const page = await visit();
    const fingerprint = await open(page, alice);
    const node = await inNode(bob);
    expect((await node.contact(alice))?.fingerprint ?? (await node.verify(alice)).fingerprint).toBe(fingerprint);
    expect((await node.ask(alice, "are you there?")).body).toBe("re: are you there?");
    void node.handle(async (message) => message.handled({ body: `yes: ${message.body}` }));
    expect(await page.evaluate((to) => agentPage.ask(to, "and you?"), bob)).toBe("yes: and you?");
    expect(await page.evaluate(() => agentPage.listAgents())).toContain(alice);
    await page.close();
  });

  test("is asleep while its tab is closed, and has all that waited when it is opened again, once", async () => {
    const [alice, bob] = [name(), name()];
    const first = await visit();
    await open(first, alice);
    const node = await inNode(bob);
    await (await node.send(alice, "one")).handled();
    await first.close();
    const sent = await Promise.all(["two", "three"].map((body) => node.send(alice, body)));
    for (const each of sent) await each.stored();
    const second = await visit();
    await open(second, alice);
    for (const each of sent) await each.handled();
    expect(await inbox(second)).toEqual(["one", "two", "three"]);
    await second.close();
  });

  test("is one agent in two tabs: one of them talks to the relay, and the other one when that is closed", async () => {
    const [alice, bob] = [name(), name()];
    const [one, two] = [await visit(), await visit()];
    await open(one, alice);
    await open(two, alice, { answers: false });
    const node = await inNode(bob);
    void node.handle(async () => {});
    const said = await two.evaluate((to) => agentPage.send(to, "from the second tab"), bob);
    expect(await two.evaluate((id) => agentPage.handled(id), said)).toBe("handled");
    expect(await one.evaluate(() => agentPage.holder())).toBe("page");
    await one.close();
    await (await node.send(alice, "to whoever is left")).stored();
    await eventually("the other tab has it", async () => (await inbox(two)).includes("to whoever is left"));
    await two.close();
  });

  test("says that the browser gives it no more room, loses nothing of what it has taken, and goes on when there is some", async () => {
    const [alice, bob] = [name(), name()];
    // One that has seen much room believes in it for a while.
    await using own = await startChromium();
    const page = await visit(own);
    const devtools = await page.context().newCDPSession(page);
    const { origin } = new URL(world.url);
    await devtools.send("Storage.overrideQuotaForOrigin", { origin, quotaSize: 1_000_000 });
    await open(page, alice);
    const home = newFolder();
    // Texts are kept until they have been received.
    await (await Agent.open({ username: bob, server: world.relay.url, home })).close();
    const { ids, code } = await page.evaluate((to) => agentPage.fill(to), bob);
    expect(code).toBe("disk_full");
    await devtools.send("Storage.overrideQuotaForOrigin", { origin });
    const last = await page.evaluate((to) => agentPage.send(to, "there is room "), bob);
    const got: string[] = [];
    await using node = await Agent.open({ username: bob, home });
    void node.handle(async ({ body }) => void got.push(body.slice(0, body.indexOf(" "))));
    for (const id of [...ids, last]) expect(await page.evaluate((each) => agentPage.handled(each), id)).toBe("handled");
    expect(got).toEqual([...ids.keys()].map(String).concat("there"));
  });

  test("has ten thousand messages at hand, and little of them in memory", { tags: ["long"] }, async () => {
    const alice = name();
    const page = await visit();
    await open(page, alice, { answers: false });
    await page.evaluate(() => agentPage.plant("somebody", 10_000));
    await page.reload();
    const devtools = await page.context().newCDPSession(page);
    const used = async (): Promise<number> => {
      await devtools.send("HeapProfiler.collectGarbage");
      return (await devtools.send("Runtime.getHeapUsage")).usedSize;
    };
    await open(page, alice, { answers: false });
    const before = await used();
    const first = await page.evaluate(() => agentPage.look("somebody"));
    expect(first.bodies).toEqual(Array.from({ length: 100 }, (_, at) => `message ${9_901 + at}`));
    const again = await page.evaluate(() => agentPage.look("somebody"));
    expect(again.bodies).toEqual(first.bodies);
    // Their places alone, some hundred bytes a message.
    expect((await used()) - before).toBeLessThan(8_000_000);
    process.stderr.write(
      `ten thousand messages in a browser: ${Math.round(first.ms)} ms, again ${Math.round(again.ms)} ms\n`,
    );
    await page.close();
  });

  test("is no agent of a page whose origin the relay does not know", async () => {
    await using elsewhere = await serveModule(fileURLToPath(new URL("page/agent.ts", import.meta.url)));
    const page = await world.chromium.visit(elsewhere.url);
    const refusal = page.evaluate(([who, where]) => agentPage.refusal(who, where), [name(), world.relay.url] as const);
    expect(await refusal).toBe("relay_unreachable");
    expect(await page.evaluate(() => agentPage.listAgents())).toEqual([]);
    await page.close();
  });

  test(
    "loses and doubles nothing when its browser is killed in the middle of two hundred messages each way",
    { tags: ["long"] },
    async () => {
      const [alice, bob] = [name(), name()];
      const node = await inNode(bob);
      const got: string[] = [];
      void node.handle(async ({ body }) => void got.push(body));
      const profile = newFolder();
      const before = await startChromium(profile);
      onTestFinished(() => before.kill());
      const page = await visit(before);
      await open(page, alice);
      const sent = Promise.all(Array.from({ length: 200 }, (_, at) => node.send(alice, `to ${at}`)));
      // What the page was told to be on disk, when it was told.
      const queued = new Set<string>();
      await page.exposeFunction("isQueued", (body: string) => queued.add(body));
      const sending = page.evaluate(async (to) => {
        for (let at = 0; at < 200; at++) {
          await agentPage.send(to, `from ${at}`);
          await (globalThis as unknown as { isQueued: (body: string) => Promise<void> }).isQueued(`from ${at}`);
        }
      }, bob);
      sending.catch(() => {});
      await eventually("some are on their way", () => queued.size > 50);
      await before.kill();
      expect(queued.size).toBeLessThan(200);

      const after = await startChromium(profile);
      onTestFinished(() => after.kill());
      const again = await visit(after);
      await open(again, alice);
      for (const each of await sent) await each.handled();
      const left = () => again.evaluate(() => agentPage.unfinished());
      await eventually("all that was sent is handled", async () => (await left()) === 0);
      expect(got).toEqual(expect.arrayContaining([...queued]));
      expect(new Set(got).size).toBe(got.length);
      expect((await inbox(again)).toSorted()).toEqual(Array.from({ length: 200 }, (_, at) => `to ${at}`).toSorted());
    },
  );
});
