import { describe, expect, test } from "vitest";
import { countIn, giveUp, lookFrom, miss, missingIn, saidOf, strikeOff } from "../../src/conversation/team-gaps.ts";
import type { TeamMemberRecord } from "../../src/records/team-records.ts";
import { Random, seed } from "../random.ts";

type Books = Pick<TeamMemberRecord, "receive_counter" | "gaps" | "since">;
const books = (): Books => ({ receive_counter: 0 });

/** Counters that a sender takes for received by what the receipt says. */
function confirmed(by: Books): number[] {
  const { upTo, missing } = saidOf(by);
  const named = new Set(missing);
  return Array.from({ length: upTo }, (_, at) => at + 1).filter((at) => at > (by.since ?? 0) && !named.has(at));
}

describe("[P-15.10] counters of a member's messages that have not come", () => {
  test("are told in runs, however many they are", () => {
    const one = books();
    countIn(one, 1);
    countIn(one, 100_000);
    expect(one).toEqual({ receive_counter: 100_000, gaps: [[2, 99_999]] });
    expect(missingIn(one)).toBe(99_998);
    expect(saidOf(one).missing).toHaveLength(400);
    expect(saidOf(one)).toMatchObject({ upTo: 401 });
    for (let counter = 2; counter < 500; counter++) countIn(one, counter);
    expect(one.gaps).toEqual([[500, 99_999]]);
  });

  test("are looked for from the first on that is older than all", () => {
    const one: Books = { receive_counter: 9_000, since: 9_000 };
    lookFrom(one, 8_000);
    expect(one).toEqual({ receive_counter: 9_000, since: 7_999, gaps: [[8_001, 9_000]] });
    lookFrom(one, 8_500);
    expect(one.since).toBe(7_999);
  });

  test("are received by nobody's word when they are given up", () => {
    const one = books();
    for (const counter of [3, 7]) countIn(one, counter);
    expect(giveUp(one)).toBe(5);
    countIn(one, 8);
    expect(confirmed(one)).toEqual([7, 8]);
  });

  test(`are never taken for received, whatever comes in whatever order, and take no more room than a record has (seed ${seed})`, () => {
    const random = new Random();
    for (let round = 0; round < 8; round++) {
      const one = books();
      const here = new Set<number>();
      const nothing = new Set<number>();
      const most = 1 + random.int(3_000);
      for (let step = 0; step < 1_500; step++) {
        const counter = 1 + random.int(most);
        const kind = random.int(20);
        if (kind === 0) {
          here.delete(counter);
          if (counter <= one.receive_counter) miss(one, [counter, counter]);
        } else if (kind === 1) {
          nothing.add(counter);
          if (counter <= one.receive_counter) strikeOff(one, [counter]);
        } else {
          here.add(counter);
          countIn(one, counter);
        }
        expect(one.gaps?.length ?? 0).toBeLessThanOrEqual(400);
      }
      expect(confirmed(one).filter((counter) => !here.has(counter) && !nothing.has(counter))).toEqual([]);
      expect(saidOf(one).missing.length).toBeLessThanOrEqual(400);
    }
  });
});
