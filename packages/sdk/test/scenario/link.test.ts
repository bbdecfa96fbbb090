import { cpSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { Agent as NodeAgent } from "../../src/node/index.ts";
import { AgentError } from "../../src/errors.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { alertKinds, bodies, eventually, follow, jump, never, rejection, within, World } from "./world.ts";

test(
  "a network that is gone without a word is noticed, and what waited is sent on the next connection",
  { tags: ["long"] },
  async () => {
    await using world = await World.create();
    const [alice, bob] = [await world.open("alice"), await world.open("bob")];
    await alice.users();
    await bob.users();
    world.proxy.freeze("alice");
    // Bob is unknown to Alice, so the link waits for his key packages.
    const sent = await alice.send("bob", "hello");
    jump(60_000);
    expect((await sent.stored()).state).toBe("stored");
  },
);

test("an agent whose network is gone closes within seconds", { tags: ["long"] }, async () => {
  await using world = await World.create();
  const alice = await world.open("alice");
  await world.open("bob");
  await alice.users();
  world.proxy.freeze("alice");
  await alice.send("bob", "hello");
  await within("she closes", alice.close(), 15_000);
});

test("what is sent just before the agent is closed reaches the relay", async () => {
  await using world = await World.create();
  await world.open("bob");
  for (let round = 0; round < 5; round++) {
    const alice = await world.open("alice");
    const { id } = await alice.send("bob", `round ${round}`);
    await alice.close();
    await using again = await world.open("alice");
    expect((await again.status(id))?.state).toBe("stored");
  }
});

test("closing does not wait for a relay that is not there", async () => {
  await using world = await World.create();
  const alice = await world.open("alice");
  await alice.users();
  await world.stopRelay();
  const started = performance.now();
  await alice.send("bob", "later");
  await alice.close();
  expect(performance.now() - started).toBeLessThan(4_000);
});

test("closing an agent ends the loops over its messages at once", async () => {
  await using world = await World.create();
  const alice = await world.open("alice");
  const loop = (async () => {
    for await (const message of alice.messages()) await message.handled();
    return "ended";
  })();
  await alice.users();
  const started = performance.now();
  await alice.close();
  expect(await loop).toBe("ended");
  expect(performance.now() - started).toBeLessThan(4_000);
});

test(
  "overwritten keys are removed from the files once a reader that held that up has gone",
  { tags: ["long"] },
  async () => {
    await using world = await World.create();
    const folder = world.folder();
    const alice = await world.open("alice", await world.sqlite(folder));
    follow(await world.open("bob"));
    const reader = new DatabaseSync(join(folder, "agent.db"));
    reader.exec("BEGIN; SELECT count(*) FROM records");
    await (await alice.send("bob", "hello")).handled();
    await never("the log is empty while it is read", () => statSync(join(folder, "agent.db-wal")).size === 0, 300);
    reader.close();
    await eventually("the log is empty", () => statSync(join(folder, "agent.db-wal")).size === 0);
  },
);

test("a relay that speaks another version now is reported, and not asked again", async () => {
  await using world = await World.create();
  const alice = await world.open("alice");
  await alice.users();
  world.proxy.rule = ({ toRelay, frame }) =>
    !toRelay && frame.type === "info" ? [{ ...frame, data: { ...frame.data, protocol: 2 } }] : undefined;
  world.proxy.cut();
  const { code, message } = await rejection(alice.users());
  expect({ code, message }).toMatchObject({ code: "relay_protocol", message: expect.stringMatching(/protocol 2/) });
});

test("a link that cannot be taken, since the disk is full, is taken when it is not any more", async () => {
  await using world = await World.create();
  let full = true;
  class FullStore extends MemoryStore {
    override takeLink(role: string) {
      if (full && role !== "register") throw new AgentError("disk_full", "no space left");
      return super.takeLink(role);
    }
  }
  const alice = await world.openFrom("alice", new FullStore());
  expect((await rejection(alice.users())).code).toBe("disk_full");
  full = false;
  expect(await alice.users()).toEqual([]);
});

test("an identity that a relay may know is kept when another relay refuses it", async () => {
  await using world = await World.create();
  await using other = await World.create();
  await other.open("alice");
  const options = { home: world.folder(), username: "alice" };
  world.proxy.rule = ({ frame }) => (frame.type === "registered" ? "cut" : undefined);
  expect((await rejection(NodeAgent.open({ ...options, server: world.server }))).code).toBe("relay_unreachable");
  world.proxy.rule = undefined;
  expect((await rejection(NodeAgent.open({ ...options, server: other.server }))).reason).toBe("username_taken");
  await using alice = await NodeAgent.open(options);
  expect(alice.server).toBe(world.server);
  expect(await alice.users()).toEqual([]);
});

test("an agent that was removed at the relay by a process that died then can be removed here, too", async () => {
  await using world = await World.create();
  const options = { home: world.folder(), username: "alice", server: world.server };
  const alice = await NodeAgent.open(options);
  await alice.users();
  world.proxy.rule = ({ toRelay, frame }) => (!toRelay && frame.data?.status === "unregistered" ? "cut" : undefined);
  world.proxy.toRelay("alice", { type: "unregister", id: "u", data: { release: true } });
  await eventually("the relay does not know it any more", async () => {
    const error = await alice.users({ timeout: 1_000 }).catch((error: unknown) => error);
    return error instanceof AgentError && error.reason === "invalid_credentials";
  });
  await alice.close();
  world.proxy.rule = undefined;
  await (await NodeAgent.open({ ...options, create: false })).unregister();
  await (await NodeAgent.register(options)).close();
});

async function connect(opened: Promise<NodeAgent>): Promise<void> {
  await using agent = await opened;
  await agent.users();
}

test("another address of the relay is used once, and remembered by register", async () => {
  await using world = await World.create();
  const [server, other] = [world.server, world.server.replace("127.0.0.1", "localhost")];
  await world.stopRelay();
  await world.startRelay({ publicUrls: [server, other] });
  const options = { home: world.folder(), username: "alice" };
  const remembered = async () => {
    await using alice = await NodeAgent.open(options);
    return alice.server;
  };
  await connect(NodeAgent.register({ ...options, server }));
  expect((await rejection(NodeAgent.register({ ...options, server }))).code).toBe("already_registered");
  await connect(NodeAgent.open({ ...options, server: other }));
  expect(await remembered()).toBe(server);
  await using stranger = await World.create();
  expect(await rejection(NodeAgent.register({ ...options, server: stranger.server }))).toMatchObject({
    code: "refused",
    reason: "invalid_credentials",
    hint: expect.stringContaining(`registered at ${server}`),
  });
  expect(await remembered()).toBe(server);
  const moved = await NodeAgent.register({ ...options, server: other });
  expect(moved.moved).toBe(true);
  await moved.close();
  expect(await remembered()).toBe(other);
});

/** Alice with a store in files, and a copy of it that was overtaken. */
async function overtaken(world: World): Promise<string> {
  const [folder, copy] = [world.folder(), world.folder()];
  const visit = async () => {
    const alice = await world.open("alice", await world.sqlite(folder));
    await alice.users();
    await alice.close();
  };
  await visit();
  cpSync(folder, copy, { recursive: true });
  await visit();
  return copy;
}

test.each(["toRelay", "fromRelay"])("a replacement of the device that is interrupted (%s) is finished", async (way) => {
  await using world = await World.create();
  const bob = await world.open("bob");
  follow(bob);
  const copy = await overtaken(world);
  let cuts = 0;
  world.proxy.rule = ({ agent, toRelay, frame }) => {
    const here = frame.type === (way === "toRelay" ? "register" : "registered") && toRelay === (way === "toRelay");
    return agent === "alice" && here && ++cuts <= 2 ? "cut" : undefined;
  };
  const first = await world.open("alice", await world.sqlite(copy));
  await first.send("bob", "hello");
  await eventually("it was cut once", () => cuts > 0);
  await first.close();
  const again = await world.open("alice", await world.sqlite(copy));
  await again.users();
  expect(await bodies(bob, 1)).toEqual(["hello"]);
  expect(await alertKinds(again)).toEqual(["old_copy"]);
  expect(cuts).toBeGreaterThan(1);
});

test(
  "of two copies that listen at the same time one becomes a new device, and nothing is lost",
  { tags: ["long"] },
  async () => {
    await using world = await World.create();
    const [folder, copy] = [world.folder(), world.folder()];
    const bob = await world.open("bob");
    follow(bob);
    const original = await world.open("alice", await world.sqlite(folder));
    const got = follow(original);
    await (await original.send("bob", "hello")).handled();
    cpSync(folder, copy, { recursive: true });
    const clone = await world.open("alice", await world.sqlite(copy));
    const stolen = follow(clone);
    await eventually("the original notices", async () => (await alertKinds(original)).includes("old_copy"));
    await eventually("the copy is told", async () => {
      const error = await clone.users({ timeout: 500 }).catch((error: unknown) => error);
      return error instanceof AgentError && error.code === "device_replaced";
    });
    await (await bob.send("alice", "for alice")).handled();
    await (await original.send("bob", "from alice")).handled();
    expect(await bodies(bob, 2)).toEqual(["hello", "from alice"]);
    expect([...stolen, ...got].map(({ body }) => body)).toEqual(["for alice"]);
  },
);
