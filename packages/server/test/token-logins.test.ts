import { expect, test } from "vitest";
import { defaultLimits, openMemoryStore } from "../src/index.ts";

test("that a token account is in use is written once a day, and not with each of its logins", async () => {
  let now = Date.UTC(2026, 0, 1);
  let commits = 0;
  await using store = openMemoryStore({ limits: defaultLimits(), clock: () => now, onCommit: () => (commits += 1) });
  const account = await store.registerToken("alice", new Uint8Array(32), "");
  if ("refused" in account) throw new Error(account.refused);
  const logIn = async (): Promise<void> => {
    store.entered(account.mailbox);
    await store.highWater(account.mailbox);
  };
  await logIn();
  const before = commits;
  for (let count = 0; count < 10; count++) await logIn();
  expect(commits).toBe(before);
  now += 86_400_000;
  await logIn();
  expect(commits).toBe(before + 1);
});
