/** Every view as its owner sees it: nothing serious for those who see or type otherwise, and pictures for whoever wants to look. */
import { mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { readFileSync } from "node:fs";
import type { Agent } from "@aimessage/sdk/node";

import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasChromium } from "../../../../test/chromium.ts";
import { ConsoleWorld, goTo, SHOTS } from "./world.ts";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

declare const axe: typeof import("axe-core");

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

/** How somebody looks: light or dark, on how wide a screen, at which zoom. */
const LOOKS = [
  { name: "light", scheme: "light", width: 1280, height: 800, zoom: 1 },
  { name: "dark", scheme: "dark", width: 1280, height: 800, zoom: 1 },
  { name: "320px", scheme: "light", width: 320, height: 640, zoom: 1 },
  // A browser that zooms in has fewer pixels of its page.
  { name: "200percent", scheme: "light", width: 1280, height: 800, zoom: 2 },
] as const;

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
    // By the debugger, past the policy of the page.
    await page.evaluate(source);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  for (const { name: look, scheme, width, height, zoom } of LOOKS)
    test(`are usable, and have nothing serious that axe finds: ${look}`, { tags: ["long"] }, async () => {
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width: width / zoom, height: height / zoom });
      for (const { name, path, seen } of VIEWS) {
        await goTo(page, ...path);
        // On a small screen one thing is shown at a time.
        if (name !== "conversations" || width / zoom > 992) await page.getByText(seen).first().waitFor();
        const { violations } = await page.evaluate(() => axe.run(document));
        const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        expect([name, serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n")}`)]).toEqual([
          name,
          [],
        ]);
        const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
        expect([name, isWide]).toEqual([name, false]);
        if (SHOTS !== undefined) {
          mkdirSync(SHOTS, { recursive: true });
          await page.screenshot({ path: join(SHOTS, `${name}-${look}.png`) });
        }
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
