// @module-tag long
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createRelay, defaultLimits, openSqliteStore, type Relay } from "@aimessage/server";
import { Agent, type AgentError } from "@aimessage/sdk/node";
import { check } from "../../packages/server/src/admin/check.ts";
import { freeBytes } from "../../packages/server/src/store/sqlite/reserve.ts";
import { newAgent, randomGroup, type Agent as TestAgent } from "../../packages/server/test/agent.ts";
import { loginToken, RawClient, registerToken, tokenClient } from "../../packages/server/test/raw-client.ts";
import { smallDisk } from "../small-disk.ts";
import { eventually } from "../waiting.ts";

test("a relay on a full disk refuses, keeps what it has acknowledged, and goes on when there is room", async ({
  skip,
}) => {
  using disk = smallDisk("2m");
  if (disk === undefined) {
    skip("no right to mount a small disk");
    return;
  }
  const db = join(disk.path, "data");
  const acknowledged: string[] = [];
  let bob;
  {
    await using relay = await createRelay({ port: 0, db, noLimits: true });
    using alice = await tokenClient(relay.url, "alice");
    using client = await RawClient.open(relay.url);
    bob = await registerToken(client, "bob");
    disk.fill();
    let refusals = 0;
    for (let count = 0; refusals < 20; count++) {
      const message = { to: "bob", message: "x".repeat(500), message_id: `m${count}` };
      const { data } = await alice.ask("send", message);
      if (data.reason === undefined) acknowledged.push(message.message_id);
      else expect(data.reason).toBe("storage_full");
      refusals += data.reason === undefined ? 0 : 1;
    }
    expect((await alice.ask("lookup", { username: "bob" })).type).toBe("agent");
    disk.free();
    expect((await alice.ask("send", { to: "bob", message: "", message_id: "freed" })).data.status).toBe(
      "stored_offline",
    );
    disk.fill();
  }
  disk.free();
  await using relay = await createRelay({ port: 0, db, noLimits: true });
  using client = await RawClient.open(relay.url);
  const messages = (await loginToken(client, bob)).slice(0, -1).map(({ data }) => data.message_id as string);
  expect(messages).toEqual([...acknowledged, "freed"]);
});

/** Room that the relays below keep. */
const RESERVE = 2 ** 20;
const reserving = (db: string, reserveBytes = RESERVE) =>
  createRelay({ port: 0, db, noLimits: true, limits: { reserveBytes, inFlightBytes: 2 ** 30 } });

/** Why a relay takes no mail, by `/ready`; undefined if it does. */
async function hindrance({ port }: Relay): Promise<string | undefined> {
  const response = await fetch(`http://localhost:${port}/ready`);
  const { reason } = (await response.json()) as { reason?: string };
  expect(response.status).toBe(reason === undefined ? 200 : 503);
  return reason;
}

/** Two agents of which one has written to the other. */
async function pairWithMail(relay: Relay) {
  const [alice, bob] = [await newAgent(relay.url, "alice"), await newAgent(relay.url, "bob")];
  const group = randomGroup();
  const a = await alice.connect();
  await a.ask("commit", alice.opening(bob, group, [{ message_id: "m0" }]));
  let count = 0;
  const send = (size: number) =>
    a.ask("send", {
      to: "bob",
      message: "eHh4".repeat(size / 4),
      group_id: group,
      epoch: 1,
      message_id: `m${++count}`,
      resume: true,
    });
  return { alice, bob, a, send };
}

/** Logs in, reads what waits, and says that it has it. */
async function readAll(bob: TestAgent, messages: number): Promise<void> {
  using b = await bob.connect();
  const { log_id } = (await b.ask("listen")).data;
  let last = 0;
  for (let count = 0; count < messages + 1; count++) last = (await b.read()).data.seq as number;
  expect((await b.ask("received", { log_id, seq: last })).data.status).toBe("received");
}

test.for([
  ["16m", RESERVE],
  ["4m", 2 * RESERVE],
] as const)(
  "on a disk of %s that others have filled agents log in, read and delete; mail waits until there is room",
  async ([size, reserve], { skip }) => {
    using disk = smallDisk(size) ?? skip("no right to mount a small disk");
    const db = join(disk.path, "data");
    const held = () =>
      eventually("some room is held", () => {
        const { size = 0 } = statSync(join(db, "reserve"), { throwIfNoEntry: false }) ?? {};
        return size >= RESERVE / 4;
      });
    let bob: TestAgent;
    {
      await using relay = await reserving(db, reserve);
      const pair = await pairWithMail(relay);
      ({ bob } = pair);
      using alice = pair.a;
      await held();
      disk.fill();
      await eventually("the relay takes no mail", async () => (await hindrance(relay)) !== undefined);
      expect(await hindrance(relay)).toBe("storage_full");
      expect((await pair.send(40)).data).toMatchObject({ code: 507, reason: "storage_full" });
      expect((await alice.ask("publish_keys", { key_packages: ["eHh4"] })).data.reason).toBe("storage_full");
      expect(check(db, reserve).problems).toMatchObject([{ problem: "storage_full" }]);
      using stranger = await RawClient.open(relay.url);
      expect((await stranger.ask("register", { username: "carol" })).data.reason).toBe("storage_full");
      await readAll(bob, 1);
      disk.free();
      await eventually("the relay takes mail again", async () => (await hindrance(relay)) === undefined);
      expect((await pair.send(40)).data.status).toBe("stored_offline");
      expect((await stranger.ask("register", { username: "carol" })).type).toBe("registered");
      await held();
    }
    disk.fill();
    // It starts on the full disk, too, and gives back what there is of it.
    await using relay = await reserving(db, reserve);
    bob.url = relay.url;
    bob.relay = new URL(relay.url).host;
    await readAll(bob, 0);
  },
);

test("where mail has filled the disk, reading it makes room for more", async ({ skip }) => {
  using disk = smallDisk("64m");
  if (disk === undefined) {
    skip("no right to mount a small disk");
    return;
  }
  // The log of the database takes up to 16 MiB.
  const reserve = 20 * 2 ** 20;
  await using relay = await reserving(join(disk.path, "data"), reserve);
  const { bob, send } = await pairWithMail(relay);
  const fill = async (): Promise<number> => {
    for (let stored = 0; ; stored++) {
      const { data } = await send(400_000);
      if (data.reason === undefined) continue;
      expect(data.reason).toBe("storage_full");
      return stored;
    }
  };
  const stored = await fill();
  expect(stored).toBeGreaterThan(20);
  expect(freeBytes(disk.path)).toBeGreaterThan(reserve / 2);
  await readAll(bob, stored + 1);
  await eventually("the relay takes mail again", async () => (await hindrance(relay)) === undefined);
  // What was deleted is free within the database: the disk itself is as full as before.
  expect(await fill()).toBeGreaterThan(stored / 2);
});

test("a small disk is not kept from mail altogether", async ({ skip }) => {
  using disk = smallDisk("16m") ?? skip("no right to mount a small disk");
  const log: unknown[] = [];
  await using store = openSqliteStore(join(disk.path, "data"), {
    limits: defaultLimits(),
    onHindrance: (hindrance) => log.push(hindrance),
  });
  expect([store.hindrance(), log]).toEqual([undefined, []]);
});

test("a relay without any room says at its start what to do", async ({ skip }) => {
  using disk = smallDisk("1m");
  if (disk === undefined) {
    skip("no right to mount a small disk");
    return;
  }
  const db = join(disk.path, "data");
  await (await createRelay({ port: 0, db, noLimits: true }))[Symbol.asyncDispose]();
  disk.fill();
  await expect(createRelay({ port: 0, db, noLimits: true })).rejects.toMatchObject({
    message: expect.stringContaining("is full"),
    hint: expect.stringContaining("make room"),
  });
});

test(
  "an agent on a full disk says so, loses nothing, and goes on when there is room",
  { tags: ["long"] },
  async ({ skip }) => {
    using disk = smallDisk("2m");
    if (disk === undefined) {
      skip("no right to mount a small disk");
      return;
    }
    await using relay = await createRelay({ port: 0, store: "memory", noLimits: true });
    const { url: server } = relay;
    await using alice = await Agent.open({ username: "alice", server, home: join(disk.path, "alice") });
    const home = mkdtempSync(join(tmpdir(), "bob "));
    {
      await using bob = await Agent.open({ username: "bob", server, home });
      const got: string[] = [];
      const reading = (async () => {
        for await (const message of alice.messages()) {
          got.push(message.body);
          await message.handled();
          if (got.length === 2) return;
        }
      })();
      await (await bob.send("alice", "one")).handled();
      disk.fill();
      const error = (await alice.send("bob", "x".repeat(200_000)).catch((thrown: unknown) => thrown)) as AgentError;
      expect(error.code).toBe("disk_full");
      const late = await bob.send("alice", "two".repeat(70_000));
      await late.stored();
      await expect(late.received({ timeout: 1_500 })).rejects.toThrow("received");
      disk.free();
      await late.handled();
      await reading;
      await (await alice.send("bob", "after")).received();
    }
    rmSync(home, { recursive: true, force: true });
  },
);
