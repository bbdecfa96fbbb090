/** What went wrong once in the console: bursts, interruptions, and focus that is taken away. */
import { join } from "node:path";
import { SqliteStore } from "@aimessage/sdk/node";
import type { Agent } from "@aimessage/sdk/node";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasChromium } from "../../../../test/chromium.ts";
import { eventually } from "../../../../test/waiting.ts";
import { plantMessages } from "./planted.ts";
import { ConsoleWorld, goTo } from "./world.ts";

describe.runIf(hasChromium)("aimessage console, when much comes at once or something fails", () => {
  let world: ConsoleWorld;
  let page: Page;
  let carol: Agent;
  const field = (name: string) => page.getByRole("textbox", { name });
  const focused = () => page.evaluate(() => document.activeElement?.textContent ?? "");
  const texts = () => page.locator(".line .text").allInnerTexts();

  beforeAll(async () => {
    world = await ConsoleWorld.create();
    carol = await world.other("carol");
    await world.own("Alice", (alice) => alice.send("carol", "hello"));
    page = await world.open();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  /** All that a conversation shows from its newest message to its oldest, in the order in which it is drawn. */
  async function scrolled(until: string): Promise<string[]> {
    let all = await texts();
    await eventually("the beginning is there", async () => {
      await page.locator(".window").evaluate(async (list) => {
        list.scrollTo(0, Math.max(0, list.scrollTop - 300));
        for (let frame = 0; frame < 3; frame++) await new Promise((resolve) => requestAnimationFrame(resolve));
      });
      const now = await texts();
      const joint = now.indexOf(all[0] ?? "");
      if (joint === -1 && !all.includes(now[0] ?? "")) return false;
      const known = joint === -1 ? all.slice(all.indexOf(now[0] ?? "")) : all;
      const again = now.slice(Math.max(0, joint));
      expect(again).toEqual(known.slice(0, again.length));
      if (joint > 0) all = [...now.slice(0, joint), ...all];
      return all[0] === until;
    });
    return all;
  }

  test("an agent is found by whatever letters its name is written in", async () => {
    await page.getByRole("navigation", { name: "Agents" }).getByRole("link", { name: /alice/i }).first().click();
    await page.getByRole("navigation", { name: "Conversations" }).getByText("carol").waitFor();
    await goTo(page, "Alice", "talk", "carol");
    await field("Message to carol").waitFor();
  });

  test("whatever comes while nobody can look is all there then, in its order", async () => {
    await goTo(page, "alice", "talk", "carol");
    await (await carol.send("alice", "burst -1")).received();
    await page.getByText("burst -1", { exact: true }).waitFor();
    world.console.tell("SIGSTOP");
    const bodies = Array.from({ length: 350 }, (_, at) => `burst ${at}`);
    for (const body of bodies) await carol.send("alice", body);
    await carol.outbox.drained();
    world.console.tell("SIGCONT");
    await page.getByText("burst 349", { exact: true }).waitFor();
    expect((await scrolled("hello")).slice(1)).toEqual(["burst -1", ...bodies]);
  });

  test("messages of the same moment are read to the first of them, in their order", { tags: ["long"] }, async () => {
    await using own = await ConsoleWorld.create();
    await own.own("dora");
    const now = Date.now();
    await plantMessages(own, "dora", "erin", 450, (at) => now - (at < 225 ? 2 : 1));
    const before = page;
    page = await own.open();
    await goTo(page, "dora", "talk", "erin");
    await page.getByText("message 449", { exact: true }).waitFor();
    const seen = await scrolled("message 0\nwith a second line\nand a third");
    expect(seen.map((text) => text.split("\n")[0])).toEqual(Array.from({ length: 450 }, (_, at) => `message ${at}`));
    page = before;
  });

  test("a result of search leads to its message, however far back that is", async () => {
    await goTo(page, "alice", "search");
    await page.getByRole("searchbox").fill("burst -1");
    await page.getByRole("link", { name: "burst -1" }).click();
    const found = page.locator('.line[aria-current="true"]');
    await found.getByText("burst -1", { exact: true }).waitFor();
    await eventually("it is what is looked at", async () => (await focused()).includes("burst -1"));
    const [box, list] = [await found.boundingBox(), await page.locator(".window").boundingBox()];
    expect(box!.y + box!.height).toBeGreaterThan(list!.y);
    expect(box!.y).toBeLessThan(list!.y + list!.height);
  });

  test("what is typed while something is sent stays", async () => {
    await goTo(page, "alice", "talk", "carol");
    await page.route("**/api/send", async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      await route.continue();
    });
    await field("Message to carol").fill("first");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Control+A");
    await page.keyboard.type("second thought");
    await page.locator(".line.sent", { hasText: "first" }).waitFor();
    await page.getByRole("button", { name: "Send", exact: true }).waitFor();
    expect(await field("Message to carol").inputValue()).toBe("second thought");
    await page.unroute("**/api/send");
    await field("Message to carol").fill("");
  });

  test("a question is there behind hundreds of messages that nobody has handled, and all of it can be read", async () => {
    const question = Array.from({ length: 80 }, (_, at) => `row ${at}`).join("\n");
    const asked = await carol.question("alice", `${question}\nbut not`);
    await goTo(page, "alice", "todo");
    const item = page.locator(".item", { hasText: "row 0" });
    await item.waitFor();
    expect(await item.innerText()).not.toContain("but not");
    await item.getByRole("button", { name: /more characters/ }).click();
    await item.getByText("but not").waitFor();
    await field("Reply to carol").fill("yes");
    await page.keyboard.press("Enter");
    expect((await asked.reply()).body).toBe("yes");
  });

  test("a look that fails takes nothing away of what was typed", async () => {
    const asked = await carol.question("alice", "and tomorrow?");
    await goTo(page, "alice", "todo");
    await page.getByText("and tomorrow?").waitFor();
    await field("Reply to carol").fill("a long answer");
    await page.route("**/api/todo", (route) => route.abort());
    await carol.send("alice", "news");
    await page.getByRole("alert").getByText("the console does not answer").waitFor();
    await page.unroute("**/api/todo");
    await goTo(page, "alice", "health");
    await goTo(page, "alice", "todo");
    expect(await field("Reply to carol").inputValue()).toBe("a long answer");
    await field("Reply to carol").press("Enter");
    expect((await asked.reply()).body).toBe("a long answer");
  });

  test("what could not be asked for a moment is told of for no longer than that", async () => {
    await goTo(page, "alice", "verify");
    await page.route("**/api/agents", (route) => route.abort());
    await carol.send("alice", "while nothing can be asked");
    const alert = page.getByRole("alert").getByText("the console does not answer");
    await alert.waitFor();
    await page.unroute("**/api/agents");
    await alert.waitFor({ state: "detached" });
  });

  test("a question whether something is certain takes the focus once, and gives it back", async () => {
    const dave = await world.other("dave");
    await world.own("bob", (bob) => bob.requests.setPolicy("contacts").then(() => bob.send("carol", "hello")));
    await carol.question("bob", "which one?");
    await (await dave.send("bob", "may I?")).stored();
    await goTo(page, "bob", "todo");
    await page.getByRole("button", { name: "Block dave" }).click();
    await eventually("Yes has the focus", async () => (await focused()) === "Yes");
    await field("Reply to carol").focus();
    await carol.send("bob", "news");
    await eventually("it is drawn anew", () =>
      page
        .getByRole("navigation", { name: "Agents" })
        .locator("section", { hasText: "bob" })
        .getByText("2 unread")
        .isVisible(),
    );
    await page.keyboard.type("the second");
    expect(await field("Reply to carol").inputValue()).toBe("the second");
    await page.getByRole("button", { name: "No", exact: true }).focus();
    await page.keyboard.press("Escape");
    await eventually("the button has it again", async () => (await focused()) === "Block");
    await page.getByRole("button", { name: "Accept dave" }).focus();
    await page.keyboard.press("Enter");
    await eventually("what comes behind it has the focus", async () => (await focused()) === "Reply");
  });

  test("what has not left is shown, however much has", { tags: ["long"] }, async () => {
    const erin = await world.other("erin");
    const alice = await world.beside("alice");
    await alice.send("erin", "hello");
    await erin.sync();
    await erin.close();
    for (let at = 0; at < 105; at++) await alice.send("erin", `away ${at}`);
    await alice.outbox.drained();
    await world.own("frank");
    await using store = await SqliteStore.open(join(world.home, "alice"));
    // As one whose time to be tried again has not come.
    const [[key, value] = ["", ""]] = await store.read((tx) => tx.list({ prefix: "out/", reverse: true, limit: 1 }));
    const row = { ...(JSON.parse(String(value)) as object), state: "queued" };
    await store.write((tx) => tx.put(key, JSON.stringify(row)));
    await goTo(page, "alice", "todo");
    await page.getByRole("region", { name: "Outbox" }).getByText("waits here since").waitFor();
    await page.getByText("messages have left, and are not handled yet").waitFor();
  });

  test("eight tabs are open at once, and all of them hear what changes", async () => {
    const { file } = await world.start();
    const tabs: Page[] = [];
    for (let at = 0; at < 8; at++) {
      const tab = await world.chromium.visit(`file://${file}`);
      await tab.getByRole("navigation", { name: "Agents" }).getByText("bob").waitFor();
      await goTo(tab, "bob", "talk", "carol");
      tabs.push(tab);
    }
    await carol.send("bob", "to all tabs");
    for (const tab of tabs) await tab.getByText("to all tabs", { exact: true }).waitFor();
    // The one that listens for all goes.
    await page.close();
    await carol.send("bob", "and to those that are left");
    for (const tab of tabs) await tab.getByText("and to those that are left", { exact: true }).waitFor();
    for (const tab of tabs) await tab.close();
  });
});
