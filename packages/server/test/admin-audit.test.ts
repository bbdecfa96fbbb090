import { userInfo } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { AuditLine } from "../src/store/store.ts";
import { Refusals } from "../src/refusals.ts";
import { createLog } from "../src/log.ts";
import { commandHere as command } from "./console.ts";
import { folder } from "./folder.ts";
import { RawClient, tokenClient } from "./raw-client.ts";
import { runningRelay } from "./relay-process.ts";

async function audit(db: string, ...args: string[]): Promise<AuditLine[]> {
  const { stdout } = await command("audit", "--db", db, "--json", ...args);
  return stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as AuditLine]));
}

test("what administrators did is told with who did it, also that it was in vain", { tags: ["long"] }, async () => {
  const db = folder();
  const copy = join(folder(), "copy.db");
  using relay = await runningRelay(db);
  await (await tokenClient(relay.url, "bob")).close();
  await command("backup", copy, "--db", db);
  await command("user", "disable", "bob", "--db", db);
  await command("user", "disable", "nobody", "--db", db);
  const deed = { kind: "deed", who: userInfo().username, at: expect.any(Number) };
  expect(await audit(db)).toEqual([
    { ...deed, what: "backup", target: copy, outcome: "done" },
    { ...deed, what: "disable", target: "bob", outcome: "done" },
    { ...deed, what: "disable", target: "nobody", outcome: "unknown_user" },
  ]);
  expect(await audit(db, "--last", "1")).toHaveLength(1);
  expect((await command("audit", "--db", db)).stdout).toMatch(/ bob +done\n/);
  expect(await command("audit", "--db", db, "--only", "everything")).toMatchObject({ code: 2 });
});

test("refusals are a line for each reason and who met it, however many there were, and hold nothing of the frames", async () => {
  const db = folder();
  const relay = await runningRelay(db);
  using bob = await tokenClient(relay.url, "bob");
  const secret = "secret-body";
  for (let count = 0; count < 50; count++)
    expect((await bob.ask("send", { to: "x", message: secret })).data.reason).toBe("unknown_user");
  using stranger = await RawClient.open(relay.url);
  await stranger.ask("send", { to: "bob", message: secret });
  await expect(RawClient.open(relay.url, { origin: "https://evil.example" })).rejects.toThrow("403");
  await relay.end("SIGTERM");
  const lines = await audit(db, "--only", "refusal");
  const refusal = { kind: "refusal", hour: expect.any(Number) };
  expect(lines).toHaveLength(3);
  expect(lines).toContainEqual({ ...refusal, reason: "unknown_user", who: "bob", count: 50 });
  expect(lines).toContainEqual({ ...refusal, reason: "not_authenticated", who: "127.0.0.1", count: 1 });
  expect(lines).toContainEqual({ ...refusal, reason: "http_403", who: "127.0.0.1", count: 1 });
  expect(JSON.stringify(lines)).not.toContain(secret);
  expect(await audit(db, "--only", "deed")).toEqual([]);
});

test("strangers without number make no lines without number", async () => {
  const written: { who: string; count: number }[] = [];
  const store = { countRefusals: async (counts: typeof written) => void written.push(...counts) };
  {
    await using refusals = new Refusals(store, () => 0, createLog("silent"));
    for (let count = 0; count < 10_000; count++) refusals.count("rate_limited", `10.0.${count >> 8}.${count & 255}`);
  }
  expect(written.length).toBeLessThanOrEqual(501);
  expect(written.reduce((sum, { count }) => sum + count, 0)).toBe(10_000);
  expect(written.at(-1)).toMatchObject({ who: "(others)", count: 9_500 });
});
