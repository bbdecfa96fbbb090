import { setImmediate } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import type { IncomingMessage } from "../../src/agent/message.ts";
import type { ClientStore } from "../../src/store/store.ts";
import { bodies, eventually, follow, numbered, World } from "./world.ts";

/** Opens `count` agents over what one folder is to several processes. */
type OpenAll = (world: World, username: string, count: number) => Promise<Agent[]>;
const kinds: Record<string, OpenAll> = {
  memory: async (world, username, count) => {
    const agents: Agent[] = [];
    for (let index = 0; index < count; index++) agents.push(await world.open(username));
    return agents;
  },
  SQLite: async (world, username, count) => {
    const folder = world.folder();
    const stores: ClientStore[] = [];
    for (let index = 0; index < count; index++) stores.push(await world.sqlite(folder));
    const agents: Agent[] = [];
    for (const store of stores) agents.push(await world.open(username, store));
    return agents;
  },
};

async function workOn(message: IncomingMessage): Promise<void> {
  await setImmediate();
  await message.handled();
}

describe.each(Object.entries(kinds))("several processes of one agent (%s)", (_, openAll) => {
  test("one of them talks to the relay; all of them send, and each listener sees each message once", async () => {
    await using world = await World.create();
    const [first, second, third] = (await openAll(world, "alice", 3)) as [Agent, Agent, Agent];
    const bob = await world.open("bob");
    const seen = [follow(first), follow(second)];
    follow(bob, async (message) => {
      await message.reply(`re: ${message.body}`);
      await message.handled();
    });
    const senders = [first, second, third];
    const sent = await Promise.all(
      senders.map(async (agent, index) => {
        const mine = [];
        for (const text of numbered(20, `sender ${index}:`)) mine.push(await agent.send("bob", text));
        return mine;
      }),
    );
    await Promise.all(sent.flat().map((one) => one.handled()));
    const arrived = await bodies(bob, 60);
    for (const index of [0, 1, 2])
      expect(arrived.filter((text) => text.startsWith(`sender ${index}:`))).toEqual(numbered(20, `sender ${index}:`));
    const replies = arrived.map((text) => `re: ${text}`);
    await eventually("both listeners have all", () => seen.every((list) => list.length >= 60));
    for (const list of seen) expect(list.map(({ body }) => body)).toEqual(replies);
    const logins = world.proxy.sentBy("alice", "listen");
    expect(logins.length).toBe(1);
  });

  test("listeners that share take turns", async () => {
    await using world = await World.create();
    const [first, second] = (await openAll(world, "alice", 2)) as [Agent, Agent];
    const bob = await world.open("bob");
    const [one, two] = [follow(first, workOn, { share: true }), follow(second, workOn, { share: true })];
    const sent = [];
    for (const text of numbered(40)) sent.push(await bob.send("alice", text));
    await Promise.all(sent.map((message) => message.handled()));
    expect([...one, ...two].map(({ body }) => body).toSorted()).toEqual(numbered(40).toSorted());
    expect(one.length).toBeGreaterThan(0);
    expect(two.length).toBeGreaterThan(0);
  });

  test("when the one that holds the link closes, another takes it over", async () => {
    await using world = await World.create();
    const [first, second] = (await openAll(world, "alice", 2)) as [Agent, Agent];
    const bob = await world.open("bob");
    follow(bob);
    follow(first);
    await (await first.send("bob", "by the first")).handled();
    const got = follow(second);
    await (await second.send("bob", "through the first")).handled();
    await first.close();
    await (await second.send("bob", "by the second")).handled();
    await (await bob.send("alice", "to the second")).handled();
    expect(got.map(({ body }) => body)).toEqual(["to the second"]);
    expect(await bodies(bob, 3)).toEqual(["by the first", "through the first", "by the second"]);
  });

  test("requests to the relay work from one that does not hold the link", async () => {
    await using world = await World.create();
    const [first, second] = (await openAll(world, "alice", 2)) as [Agent, Agent];
    const bob = await world.open("bob");
    follow(bob);
    follow(first);
    await eventually("bob is online", async () => (await first.users()).includes("bob"));
    expect(await second.users()).toEqual(["bob"]);
    expect((await second.verify("bob")).fingerprint).toBe(bob.fingerprint);
    const { checks } = await second.diagnose();
    expect(checks.filter(({ ok }) => !ok)).toEqual([]);
  });
});
