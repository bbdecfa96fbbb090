/** News are told once for each batch, by counts and names, and consume nothing. */
import { expect, test } from "vitest";
import { LOOKED_AT, newsOf } from "../../src/records/news.ts";
import type { InboxRecord } from "../../src/records/tables.ts";
import { eventually, numbered, SAME_CLOCK, World } from "./world.ts";

test("what waits is told first, then each batch, until it is ended; and all of it is there for who listens", async () => {
  await using world = await World.create({ ...SAME_CLOCK, noLimits: true });
  const [alice, bob] = [await world.open("alice"), await world.open("bob")];
  for (const text of numbered(3)) await alice.send("bob", text);
  await bob.sync();
  await eventually("they wait", async () => (await bob.unhandled()) === 3);
  const end = new AbortController();
  const news = bob.news({ signal: end.signal });
  expect((await news.next()).value).toMatchObject({
    messages: 3,
    replies: 0,
    requests: 0,
    more: false,
    senders: [{ name: "alice", trust: "unknown", messages: 3 }],
  });
  const next = news.next();
  await alice.send("bob", "one more");
  expect((await next).value).toMatchObject({ messages: 1 });
  const last = news.next();
  end.abort();
  expect(await last).toEqual({ done: true, value: undefined });
  expect(await bob.unhandled()).toBe(4);
});

const row = (more: Partial<InboxRecord>): InboxRecord =>
  ({ from: "alice", from_name: "Alice", state: "unhandled", ...more }) as InboxRecord;

test("what is handled is not told, nor what has expired; a name that has another identity now has no tier", () => {
  const contact = { identity_key: "a", verified: true } as never;
  const about = new Map([["alice", { contact, standing: undefined }]]);
  const found = { about, groupNames: new Map([["k", "team"]]), position: 9, more: false, requests: 0 };
  const tell = (...rows: (InboxRecord | null)[]) => newsOf({ ...found, rows }, 1_000);
  expect(tell(row({ expires_at: 1_000 }))).toBeUndefined();
  expect(tell(row({ expires_at: 1_001 }))).toMatchObject({ messages: 1, position: 9 });
  expect(tell(row({ identity_key: "a" }))?.senders).toEqual([{ name: "Alice", trust: "verified", messages: 1 }]);
  expect(tell(row({ identity_key: "b" }))?.senders).toEqual([{ name: "Alice", trust: "unknown", messages: 1 }]);
  expect(tell(row({ answers: "q" }))).toMatchObject({ messages: 0, replies: 1, senders: [], repliers: ["Alice"] });
  expect(tell(row({ team: "k" }), row({}), row({ team: "k" }), row({ team: "other" }))).toMatchObject({
    messages: 4,
    groups: [{ name: "team", messages: 2 }],
  });
  // Sealed, or damaged.
  expect(tell(null, null)).toMatchObject({ messages: 2, senders: [] });
});

test("of very much that waits it is said that there is more, and none of it is told again", async () => {
  await using world = await World.create({ ...SAME_CLOCK, noLimits: true });
  const bob = await world.open("bob");
  await world.memory("bob").write(async (tx) => {
    for (let seq = 1; seq <= LOOKED_AT + 5; seq++) await tx.put(`unhandled/${String(seq).padStart(16, "0")}`, "");
  });
  const end = new AbortController();
  const news = bob.news({ signal: end.signal });
  expect((await news.next()).value).toMatchObject({ messages: LOOKED_AT, more: true, position: LOOKED_AT + 5 });
  const next = news.next();
  end.abort();
  expect((await next).done).toBe(true);
});
