import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { hasChromium } from "../../../test/chromium.ts";
import { plantMessages } from "../../../packages/console/test/browser/planted.ts";
import { ConsoleWorld, goTo } from "../../../packages/console/test/browser/world.ts";
import { compare, type Plan, type Result } from "../compare.ts";

const MANY = 10_000;

/** What an owner waits for at the console: the page, a long conversation, and that what was typed is handled. */
export async function console({ progress }: Plan): Promise<Result[]> {
  if (!hasChromium) return [];
  await using world = await ConsoleWorld.create();
  const bob = await world.other("bob");
  void bob.handle(async (message) => message.handled());
  await world.own("alice", async (agent) => void (await (await agent.send("bob", "first")).handled()));
  await plantMessages(world, "alice", "carol", MANY);
  await plantMessages(world, "alice", "dave", 10);
  const bare = createServer((_request, response) => {
    response.setHeader("content-type", "text/html");
    response.end("<!doctype html><nav aria-label='Agents'>empty</nav>");
  });
  bare.listen(0, "127.0.0.1");
  await once(bare, "listening");
  const page = await world.open();
  const agents = page.getByRole("navigation", { name: "Agents" });
  const empty = await world.chromium.visit(`http://127.0.0.1:${(bare.address() as AddressInfo).port}/`);
  const load = await compare(
    {
      figure: "console",
      title: "page of the console, loaded and usable, beside an empty page",
      unit: " ms",
      aim: undefined,
    },
    progress,
    {
      value: () =>
        timed(async () => {
          await page.reload({ waitUntil: "commit" });
          await agents.getByRole("link", { name: "alice" }).waitFor();
        }),
      floor: () =>
        timed(async () => {
          await empty.reload({ waitUntil: "commit" });
          await empty.getByText("empty").waitFor();
        }),
    },
    10,
  );
  const opened = async (name: string, last: number): Promise<number> => {
    await goTo(page, "alice", "search");
    await page.getByRole("heading", { name: "Search" }).waitFor();
    return timed(async () => {
      await goTo(page, "alice", "talk", name);
      await page.getByText(`message ${last}`, { exact: true }).waitFor();
    });
  };
  const long = await compare(
    {
      figure: "console",
      title: "conversation of 10,000 messages opened, beside one of 10",
      unit: " ms",
      aim: { under: 1_000 },
    },
    progress,
    { value: () => opened("carol", MANY - 1), floor: () => opened("dave", 9) },
    10,
  );
  const beside = await world.beside("alice");
  // Behind another tab a page draws now and then.
  await page.bringToFront();
  await goTo(page, "alice", "talk", "bob");
  const field = page.getByRole("textbox", { name: "Message to bob" });
  let count = 0;
  const typed = await compare(
    {
      figure: "console",
      title: "from Enter to handled on the page, beside a process's send",
      unit: " ms",
      aim: undefined,
    },
    progress,
    {
      value: async () => {
        const text = `typed ${count++}`;
        await field.fill(text);
        return timed(async () => {
          await page.keyboard.press("Enter");
          // At each picture, and not now and then as a locator looks.
          await page.waitForFunction((wanted) => {
            const line = [...document.querySelectorAll(".line")].find(({ textContent }) =>
              textContent.includes(wanted),
            );
            return line?.querySelector(".state.handled") != null;
          }, text);
        });
      },
      floor: () => timed(async () => (await beside.send("bob", `sent ${count++}`)).handled()),
    },
    10,
  );
  bare.close();
  return [load, long, typed];
}

/** @returns milliseconds */
async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}
