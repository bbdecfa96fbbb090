/** How the lines of a conversation come together, whatever comes meanwhile. */
import { describe, expect, test } from "vitest";
import type { Agent, Line } from "@aimessage/sdk";
import { linesOf } from "../src/back/lines.ts";
import type { LineView } from "../src/back/port.ts";
import { caughtUp, drawn, type Held, NOTHING, withChanged, withOlder } from "../src/page/conversation.ts";

const line = (at: number, kind: LineView["kind"] = "came", id = `${kind} ${at}`): LineView => ({
  kind,
  id,
  at,
  from: "carol",
  body: "",
  more: 0,
  state: "handled",
  expectsReply: false,
  verified: false,
  tier: "known",
  human: false,
  files: [],
});
const upTo = (count: number): LineView[] => Array.from({ length: count }, (_, at) => line(at));
const ids = (held: Held): string[] => drawn(held).map(({ id }) => id);

/** A back that has these, and gives so many at once. */
const pages =
  (all: readonly LineView[], size = 100) =>
  async (before: string | undefined): Promise<LineView[]> => {
    const end = before === undefined ? all.length : all.findIndex(({ id }) => id === before);
    return all.slice(Math.max(0, end - size), end);
  };

/** One that has come, as the SDK has it. */
const came = (at: number): Line =>
  ({
    at,
    own: false,
    message: { id: `${at}`, receivedAt: at, body: "x", bytes: new Uint8Array(1), files: [] },
  }) as unknown as Line;

describe("lines of a conversation", () => {
  test("have no hole, however much has come between two looks", async () => {
    const all = upTo(450);
    let held = await caughtUp(() => NOTHING, pages(all.slice(0, 30)));
    held = await caughtUp(() => held, pages(all));
    expect(ids(held)).toEqual(all.map(({ id }) => id));
  });

  test("begin anew where there is more between than is read at once", async () => {
    const all = upTo(3_000);
    let held = await caughtUp(() => NOTHING, pages(all.slice(0, 30)));
    held = await caughtUp(() => held, pages(all));
    expect(ids(held)).toEqual(all.slice(-2_000).map(({ id }) => id));
    held = withOlder(held, await pages(all)(held.messages[0]?.id));
    expect(ids(held)).toEqual(all.slice(-2_100).map(({ id }) => id));
  });

  test("stay in the order in which they are given, whatever their times are", async () => {
    const all = upTo(250).map((each) => ({ ...each, at: each.at < 125 ? 7 : 6 }));
    let held = await caughtUp(() => NOTHING, pages(all));
    while (held.messages.length < all.length) held = withOlder(held, await pages(all)(held.messages[0]?.id));
    expect(ids(held)).toEqual(all.map(({ id }) => id));
  });

  test("keep what was read of them before while an older page is on its way", async () => {
    const all = upTo(300);
    let held = await caughtUp(() => NOTHING, pages(all.slice(0, 250)));
    const slow = caughtUp(
      () => held,
      async (before) => (await Promise.resolve(), pages(all)(before)),
    );
    held = withOlder(held, await pages(all)(held.messages[0]?.id));
    expect(ids(await slow)).toEqual(all.slice(50).map(({ id }) => id));
  });

  test("have alerts where those came, one that comes again once, and change in their places", async () => {
    const all = [line(1), line(2, "alert", "gap"), line(3), line(5)];
    let held = await caughtUp(() => NOTHING, pages(all));
    expect(ids(held)).toEqual(["came 1", "gap", "came 3", "came 5"]);
    held = await caughtUp(() => held, pages([...all.filter(({ id }) => id !== "gap"), line(6, "alert", "gap")]));
    expect(ids(held)).toEqual(["came 1", "came 3", "came 5", "gap"]);
    held = withChanged(held, [{ ...line(3), state: "failed" }]);
    expect(drawn(held).map(({ state }) => state)).toEqual(["handled", "failed", "handled", "handled"]);
  });

  test("come with each alert once, also with one that came between two pages", async () => {
    const all = Array.from({ length: 250 }, (_, at) => came(10 * at));
    const agent = {
      username: "alice",
      conversations: {
        lines: async (_name: string, { last, before }: { last: number; before?: string }) => {
          const end = before === undefined ? all.length : all.findIndex(({ message }) => message.id === before);
          return all.slice(Math.max(0, end - last), end);
        },
        some: async (_name: string, [id]: string[]) => all.filter(({ message }) => message.id === id),
      },
      alerts: async () => [{ kind: "gap", contact: "carol", at: 1_495, text: "a gap", count: 1 }],
    } as unknown as Agent;
    let seen = 0;
    for (let before: string | undefined; ;) {
      const page = await linesOf(agent, { with: "carol", ...(before === undefined ? {} : { before }) });
      if (page.length === 0) break;
      seen += page.filter(({ kind }) => kind === "alert").length;
      before = page.find(({ kind }) => kind !== "alert")?.id;
    }
    expect(seen).toBe(1);
  });
});
