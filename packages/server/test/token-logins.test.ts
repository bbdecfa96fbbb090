import { StatementSync } from "node:sqlite";
import { expect, onTestFinished, test, vi } from "vitest";
import { createRelay, defaultLimits, openMemoryStore } from "../src/index.ts";
import { StorageError } from "../src/store/store.ts";
import { loginToken, RawClient, registerToken } from "./raw-client.ts";

test("that a token account is in use is written once a day, and not with each of its logins", async () => {
  let now = Date.UTC(2026, 0, 1);
  let written = 0;
  const run = Reflect.get(StatementSync.prototype, "run");
  const spy = vi.spyOn(StatementSync.prototype, "run").mockImplementation(function (this: StatementSync, ...values) {
    if (this.sourceSQL.includes("SET seen")) written += 1;
    return run.apply(this, values);
  });
  onTestFinished(() => spy.mockRestore());
  await using store = openMemoryStore({ limits: defaultLimits(), clock: () => now });
  const account = await store.registerToken("alice", new Uint8Array(32), "");
  if ("refused" in account) throw new Error(account.refused);
  const logIn = async (): Promise<void> => {
    store.entered(account.mailbox);
    // What was to be done later is done with the next change.
    await store.received(account.mailbox, 0);
  };
  for (let count = 0; count < 10; count++) await logIn();
  expect(written).toBe(1);
  now += 86_400_000;
  await logIn();
  expect(written).toBe(2);
});

test("a client that logs in again after its mailbox could not be had gets its mail", async () => {
  let failures = 0;
  await using relay = await createRelay({
    port: 0,
    noLimits: true,
    tokenAccounts: "on",
    store: async (options) => {
      const store = openMemoryStore(options);
      const listen: typeof store.listen = async (mailbox) => {
        if (failures-- > 0) throw new StorageError("internal", new Error("away"), true);
        return store.listen(mailbox);
      };
      return { ...store, listen };
    },
  });
  using client = await RawClient.open(relay.url);
  const user = await registerToken(client, "alice");
  failures = 1;
  expect((await loginToken(client, user)).at(-1)).toMatchObject({ type: "error", data: { reason: "internal" } });
  await client.ask("send", { to: "alice", message: "to be read" });
  expect(await loginToken(client, user)).toMatchObject([
    { type: "offline_message", data: { message: "to be read" } },
    { type: "ack", data: { status: "authenticated" } },
  ]);
});
