/** What the lab would say, if members did not have messages in one order. */
import { expect, test } from "vitest";
import type { Verdict } from "../check.ts";
import type { TeamBooks } from "./books.ts";
import { TeamLedger } from "./ledger.ts";
import { judgeOrder } from "./order.ts";

function booksOf(name: string, inbox: string[]): [string, TeamBooks] {
  const ids = [`${name}-1`, `${name}-2`];
  const sent = ids.map(
    (id, seq) => [id, { seq, id, state: "handled", at: new Map<string, never>(), before: new Set<string>() }] as const,
  );
  const received = inbox.map((id, seq) => [id, { seq, from: "", state: "handled" }] as const);
  return [name, { sent: new Map(sent), received: new Map(received), teams: [], waiting: [] }];
}

/** Of one team, in which anna and ben have written in turns: what two others have in their inboxes. */
function disordered(carl: string[], dora: string[], again: string[] = []): string[] {
  const ledger = new TeamLedger(() => false);
  for (const id of ["anna-1", "ben-1", "anna-2", "ben-2"])
    ledger.issue(id.replace(/-.*/, ""), { id, to: "@team0", body: "" }, false);
  for (const id of again) ledger.entries.get(id)?.again.add("dora");
  const verdict: Verdict = { lost: [], doubled: [], disordered: [], other: [], counts: {} };
  judgeOrder(
    verdict,
    ledger,
    new Map([booksOf("anna", []), booksOf("ben", []), booksOf("carl", carl), booksOf("dora", dora)]),
  );
  return verdict.disordered;
}

test("messages of two senders are in one order at all, but for what was sent again", () => {
  const right = ["anna-1", "ben-1", "anna-2", "ben-2"];
  const swapped = ["ben-1", "anna-1", "anna-2", "ben-2"];
  expect(disordered(right, right)).toEqual([]);
  expect(disordered(right, ["anna-1", "ben-2"])).toEqual([]);
  expect(disordered(right, swapped)).toEqual(["out of order: carl has anna-1 before ben-1, dora behind it"]);
  expect(disordered(right, swapped, ["ben-1"])).toEqual([]);
});

test("messages of one sender are in its order", () => {
  const turned = ["anna-2", "ben-1", "anna-1"];
  expect(disordered(turned, turned)).toEqual([
    "out of order: carl has anna-2 before anna-1",
    "out of order: dora has anna-2 before anna-1",
  ]);
});
