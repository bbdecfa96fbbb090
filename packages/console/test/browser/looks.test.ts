/** Every view as its owner sees it: nothing serious for those who see or type otherwise, and pictures for whoever wants to look. */
import { join } from "node:path";
import type { Agent } from "@aimessage/sdk/node";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasChromium } from "../../../../test/chromium.ts";
import { eventually } from "../../../../test/waiting.ts";
import { lookAs, LOOKS, looksRight } from "./looks-right.ts";
import { ConsoleWorld, goTo } from "./world.ts";

/** Each view, and what is to be seen of it before it is looked at. */
const VIEWS: { name: string; path: string[]; seen: string }[] = [
  { name: "conversations", path: ["alice", "talk"], seen: "Choose a conversation" },
  { name: "conversation", path: ["alice", "talk", "carol"], seen: "The build is green" },
  { name: "group", path: ["alice", "talk", "@team"], seen: "Ship it" },
  { name: "todo", path: ["bob", "todo"], seen: "wants to talk to bob" },
  { name: "verify", path: ["alice", "verify"], seen: "Pair by a line" },
  { name: "groups", path: ["alice", "groups"], seen: "@team" },
  { name: "search", path: ["alice", "search"], seen: "Search" },
  { name: "health", path: ["alice", "health"], seen: "no contact is stopped" },
];

describe.runIf(hasChromium)("the console's views", () => {
  let world: ConsoleWorld;
  let page: Page;
  let carol: Agent;

  beforeAll(async () => {
    world = await ConsoleWorld.create();
    carol = await world.other("carol");
    const dave = await world.other("dave");
    await world.own("alice", async (alice) => {
      void carol.handle(async (message) => message.handled());
      await (await alice.send("carol", "Is the build green?", { byPerson: true })).handled();
      await alice.groups.create("team", ["carol"]);
      await (await alice.send("@team", "Ship it when the tests are done.")).handled();
    });
    await world.own("bob", async (bob) => {
      await bob.requests.setPolicy("contacts");
      await (await dave.send("bob", "May I ask you something?")).stored();
      await bob.send("carol", "hello");
    });
    await (
      await carol.send(
        "alice",
        "The build is green: https://ci.example/builds/4711\n\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd, \u0645\u0631\u062d\u0628\u0627",
        { files: [join(import.meta.dirname, "looks.test.ts")] },
      )
    ).stored();
    await carol.question("alice", "Shall I deploy it?");
    page = await world.open();
  });
  afterAll(() => world[Symbol.asyncDispose]());

  for (const look of LOOKS)
    test(`are usable, and have nothing serious that axe finds: ${look.name}`, { tags: ["long"] }, async () => {
      await lookAs(page, look);
      for (const { name, path, seen } of VIEWS) {
        await goTo(page, ...path);
        // On a small screen one thing is shown at a time.
        if (name !== "conversations" || look.width / look.zoom > 992) await page.getByText(seen).first().waitFor();
        if (name === "conversation")
          await eventually("the newest message is seen", () =>
            page.locator(".window").evaluate((list) => list.scrollTop + list.clientHeight > list.scrollHeight - 2),
          );
        await looksRight(page, name, look);
      }
    });

  test("every view is reached and left by the keyboard alone", async () => {
    await page.setViewportSize({ width: 1280, height: 800 });
    await goTo(page, "alice", "talk");
    await page.reload();
    await page.getByRole("navigation", { name: "Agents" }).waitFor();
    const reached = new Set<string>();
    for (let step = 0; step < 40; step++) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => (document.activeElement as HTMLElement).innerText.split("\n")[0] ?? ""));
    }
    for (const title of ["alice", "bob", "Conversations", "To do", "Verify", "Groups", "Search", "Health"])
      expect([...reached].some((text) => text.startsWith(title))).toBe(true);
  });
});
