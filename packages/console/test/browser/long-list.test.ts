/** A conversation of ten thousand messages. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasChromium } from "../../../../test/chromium.ts";
import { eventually } from "../../../../test/waiting.ts";
import { plantMessages } from "./planted.ts";
import { ConsoleWorld, goTo } from "./world.ts";

const MANY = 10_000;

describe.runIf(hasChromium)("a conversation of ten thousand messages", { tags: ["long"] }, () => {
  let world: ConsoleWorld;
  beforeAll(async () => {
    world = await ConsoleWorld.create();
    await world.own("alice");
    await plantMessages(world, "alice", "carol", MANY);
  });
  afterAll(() => world[Symbol.asyncDispose]());

  test("is there at once, is read to its beginning by scrolling, and never has more in the page than can be seen", async () => {
    const page = await world.open();
    await goTo(page, "alice", "talk", "carol");
    await page.getByText(`message ${MANY - 1}`, { exact: true }).waitFor();
    let most = 0;
    let first = Infinity;
    await eventually(
      "the first message is there",
      async () => {
        const now = await page.evaluate(() => {
          const list = document.querySelector(".window");
          if (list !== null) list.scrollTop = 0;
          const lines = [...document.querySelectorAll(".line .text")];
          return { count: lines.length, first: Number(/\d+/.exec(lines[0]?.textContent ?? "")?.[0] ?? Infinity) };
        });
        most = Math.max(most, now.count);
        // Rows that are higher than they were taken for move what is first by a few.
        expect(now.first).toBeLessThanOrEqual(first + 20);
        first = now.first;
        return first === 0;
      },
      120_000,
    );
    expect(most).toBeLessThan(100);
    // What comes meanwhile does not move what one reads.
    const carol = await world.other("carol");
    await (await carol.send("alice", "something new")).stored();
    await page.getByRole("navigation", { name: "Agents" }).getByText("1 unread").waitFor();
    expect(await page.getByText("message 0", { exact: false }).first().isVisible()).toBe(true);
  });
});
