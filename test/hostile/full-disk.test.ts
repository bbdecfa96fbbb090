import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createRelay } from "@aimessage/server";
import { Agent, type AgentError } from "@aimessage/sdk/node";
import { loginToken, RawClient, registerToken, tokenClient } from "../../packages/server/test/raw-client.ts";
import { smallDisk } from "../small-disk.ts";

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

test("an agent on a full disk says so, loses nothing, and goes on when there is room", async ({ skip }) => {
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
    await (await bob.send("alice", "one")).handled({ timeout: 10_000 });
    disk.fill();
    const error = (await alice.send("bob", "x".repeat(200_000)).catch((thrown: unknown) => thrown)) as AgentError;
    expect(error.code).toBe("disk_full");
    const late = await bob.send("alice", "two".repeat(70_000));
    await late.stored({ timeout: 10_000 });
    await expect(late.received({ timeout: 1_500 })).rejects.toThrow("received");
    disk.free();
    await late.handled({ timeout: 20_000 });
    await reading;
    await (await alice.send("bob", "after")).received({ timeout: 10_000 });
  }
  rmSync(home, { recursive: true, force: true });
});
