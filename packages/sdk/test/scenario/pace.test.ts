import { describe, expect, test } from "vitest";
import { Pace } from "../../src/delivery/pace.ts";

/** What members of a team answer to one sender, by a clock that is steered: when each of their receipts leaves. */
async function answers(members: number, { messages, everyMs }: { messages: number; everyMs: number }) {
  const left: { member: number; at: number }[] = [];
  for (let member = 0; member < members; member++) {
    const pace = new Pace();
    for (let message = 0; message < messages; message++) {
      const came = message * everyMs;
      // What came while a receipt waited is in that one.
      const last = left.at(-1);
      if (last?.member === member && last.at >= came) continue;
      const at = await pace.due("alice", came, () => Promise.resolve({ index: member, members }));
      pace.left("alice", at);
      left.push({ member, at });
    }
  }
  return left;
}

describe("[P-15.10] receipts of the members of a team to one sender", () => {
  test.each([
    [400, { messages: 1, everyMs: 0 }],
    [400, { messages: 1_000, everyMs: 20 }],
    [1_000, { messages: 30, everyMs: 1_000 }],
  ])("are a hundred a second at most: %i members, %o", async (members, traffic) => {
    const seconds = new Map<number, number>();
    for (const { at } of await answers(members, traffic)) {
      const second = Math.floor(at / 1_000);
      seconds.set(second, (seconds.get(second) ?? 0) + 1);
    }
    expect(Math.max(...seconds.values())).toBeLessThanOrEqual(101);
  });

  test("say all of it: each answers what came last, within the time between two of its receipts", async () => {
    const left = await answers(400, { messages: 1_000, everyMs: 20 });
    for (let member = 0; member < 400; member++) {
      const own = left.filter((one) => one.member === member).map(({ at }) => at);
      expect(own.at(-1)).toBeGreaterThanOrEqual(999 * 20);
      expect(own.at(-1)).toBeLessThanOrEqual(999 * 20 + 2 * 4_000);
      for (const [index, at] of own.entries()) expect(at - (own[index - 1] ?? -Infinity)).toBeGreaterThanOrEqual(4_000);
    }
  });

  test("leave at once in a small one, and then as far apart as one has members", async () => {
    expect((await answers(3, { messages: 3, everyMs: 1 })).filter(({ member }) => member === 2)).toEqual([
      { member: 2, at: 0 },
      { member: 2, at: 30 },
    ]);
  });
});
