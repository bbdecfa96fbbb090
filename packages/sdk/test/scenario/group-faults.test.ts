/** Groups whose relay's answers get lost, whose members find no room, and other things that go wrong on the way. */
import { describe, expect, test } from "vitest";
import type { Agent } from "../../src/agent/agent.ts";
import { AgentError } from "../../src/errors.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import type { WriteOptions, WriteTransaction } from "../../src/store/store.ts";
import { storedInTeam } from "../../src/delivery/team-answers.ts";
import { endTeamGroup } from "../../src/link/set-aside-teams.ts";
import { get, list, pad } from "../../src/records/records.ts";
import { gathered, groupOf, hears, online, records } from "./members.ts";
import { edit, type Frame } from "./proxy.ts";
import { listening } from "./team-world.ts";
import { turns } from "./turns.ts";
import { alertKinds, eventually, follow, rejection, World } from "./world.ts";

/** From the first frame of a type that an agent sends on, nothing that the relay says reaches it. @returns whether that frame has left */
function deafFrom({ proxy }: World, agent: string, type: string): () => boolean {
  let sent = false;
  proxy.rule = (passage) => {
    if (passage.agent !== agent) return undefined;
    if (passage.toRelay) sent ||= passage.frame.type === type;
    return !passage.toRelay && sent ? [] : undefined;
  };
  return () => sent;
}

describe("a message to a group", () => {
  test("is handled by all, whether the relay's answer or their word comes first", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
    deafFrom(world, "alice", "send");
    const sent = await alice.agent.send("@team", "one");
    await hears(bob, "@team alice: one");
    await hears(carol, "@team alice: one");
    await eventually("both have said so", () => world.proxy.sentBy("bob", "send").length > 0);
    await eventually("both have said so", () => world.proxy.sentBy("carol", "send").length > 0);
    world.proxy.rule = undefined;
    world.proxy.cut("alice");
    await sent.handled();
  });

  test("that is under way is not shown as refused since a change of the group was not admitted", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
    await alice.agent.groups.promote("team", ["bob"]);
    await eventually("bob knows", async () => (await bob.agent.groups.find("team")).admins.includes("bob"));
    let commit: Frame | undefined;
    const acks: Frame[] = [];
    const sends = new Set<string>();
    let isHeld = false;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "alice") return undefined;
      if (toRelay && frame.type === "commit" && commit === undefined) return ((commit = structuredClone(frame)), []);
      if (toRelay && frame.type === "send" && frame.id !== undefined) sends.add(frame.id);
      if (toRelay || !isHeld || !sends.has(frame.reply_to ?? "")) return undefined;
      acks.push(structuredClone(frame));
      return [];
    };
    const change = alice.agent.groups.rename("team", "ops").catch(() => undefined);
    await eventually("alice's change has left", () => commit !== undefined);
    await bob.agent.groups.demote("team", ["alice"]);
    await eventually("alice has bob's", async () => (await groupOf(world, "alice"))?.epoch === 4);
    isHeld = true;
    const sent = await alice.agent.send("@team", "one");
    await hears(bob, "@team alice: one");
    await hears(carol, "@team alice: one");
    if (commit !== undefined) world.proxy.toRelay("alice", commit);
    await change;
    isHeld = false;
    for (const ack of acks) world.proxy.raw("alice", JSON.stringify(ack));
    await sent.handled();
    const frames = world.proxy.sentBy("alice", "send").filter(({ data }) => data.direct !== true);
    expect(frames).toHaveLength(1);
  });

  test("leaves again under another id if the relay knows its own from before", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await gathered(world, "alice", "bob", "carol");
    let refused = 0;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "alice" || !toRelay || frame.type !== "send" || frame.data.direct === true) return undefined;
      if ((refused += 1) > 1) return undefined;
      const data = {
        code: 409,
        reason: "message_id_reused",
        message: "known",
        message_id: frame.data.message_id ?? "",
      };
      queueMicrotask(() => world.proxy.answer("alice", frame.id ?? "", { type: "error", data }));
      return [];
    };
    await (await alice.agent.send("@team", "one")).handled();
    await hears(bob, "@team alice: one");
  });

  test("is handled although a member's word on it found no room at first", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await gathered(world, "alice", "bob", "carol");
    let refused = 0;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "bob" || !toRelay || frame.type !== "send" || (refused += 1) > 1) return undefined;
      const data = { code: 429, reason: "mailbox_full", message: "full", message_id: frame.data.message_id ?? "" };
      queueMicrotask(() => world.proxy.answer("bob", frame.id ?? "", { type: "error", data }));
      return [];
    };
    await (await alice.agent.send("@team", "one")).handled();
    expect(refused).toBeGreaterThan(1);
    await hears(bob, "@team alice: one");
  });
});

/** An agent is cut off, and does not get back to the relay before the rule is gone. */
function keepAway({ proxy }: World, name: string): void {
  proxy.rule = ({ agent, toRelay, frame }) =>
    agent === name && toRelay && frame.type === "authenticate" ? "cut" : undefined;
  proxy.cut(name);
}

/** A member gets the commits of the others with another body. */
function spoilCommits({ proxy }: World, name: string): void {
  proxy.rule = ({ agent, toRelay, frame }) =>
    agent === name && !toRelay && frame.data.kind === "commit" ? [edit(frame, { body: "AAEAAg==" })] : undefined;
}

describe("a change of a group", () => {
  test("is made although the answer to the founding got lost, and others have changed the group since", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol", "dave");
    deafFrom(world, "alice", "commit");
    const founding = alice.agent.groups.create("team", ["bob", "carol", "dave"]);
    for (const { agent } of [bob, carol])
      await eventually(`${agent.username} is in`, async () => (await agent.groups.list()).length === 1);
    keepAway(world, "alice");
    await carol.agent.groups.leave("team");
    await eventually("carol is out", async () => (await bob.agent.groups.find("team")).members.length === 3);
    await (await bob.agent.send("@team", "hello")).stored();
    world.proxy.rule = undefined;
    await founding;
    await hears(alice, "@team bob: hello");
    await alice.agent.groups.rename("team", "ops");
    await (await alice.agent.send("@ops", "hello bob")).handled();
    expect(await alertKinds(alice.agent)).toEqual([]);
  });

  test("is made once if its answer got lost, and others have changed the group since", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await gathered(world, "alice", "bob", "carol", "dave");
    await alice.agent.groups.promote("team", ["bob"]);
    await eventually("bob knows", async () => (await bob.agent.groups.find("team")).admins.includes("bob"));
    deafFrom(world, "alice", "commit");
    const change = alice.agent.groups.rename("team", "ops");
    await eventually("bob knows", async () => (await bob.agent.groups.list())[0]?.name === "ops");
    keepAway(world, "alice");
    await bob.agent.groups.remove("ops", ["dave"]);
    await (await bob.agent.send("@ops", "hello")).stored();
    world.proxy.rule = undefined;
    await change;
    await hears(alice, "@ops bob: hello");
    expect(await alertKinds(alice.agent)).toEqual([]);
  });

  test("of a member that cannot follow any more keeps nobody from taking it in again", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, carol } = await gathered(world, "alice", "bob", "carol");
    await alice.agent.groups.promote("team", ["carol"]);
    await eventually("carol knows", async () => (await carol.agent.groups.find("team")).admins.includes("carol"));
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "carol" && toRelay && frame.type === "commit" ? [] : undefined;
    const change = carol.agent.groups.rename("team", "ours");
    await eventually("carol's change has left", () => world.proxy.sentBy("carol", "commit").length === 1);
    spoilCommits(world, "carol");
    await alice.agent.groups.rename("team", "ops");
    await eventually("carol is in again", async () => (await groupOf(world, "carol"))?.epoch === 5);
    world.proxy.rule = undefined;
    world.proxy.cut("carol");
    await change;
    await (await carol.agent.send("@ours", "hello")).handled();
  });

  test("asks for key packages when its turn comes, however many wait behind it", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice } = await gathered(world, "alice", "bob");
    const more = ["carol", "dave", "erin", "frank", "grace", "heidi"];
    for (const name of more) await (await world.open(name)).close();
    const before = world.proxy.sentBy("alice", "claim_keys").length;
    await Promise.all(more.map((name) => alice.agent.groups.add("team", [name])));
    expect(world.proxy.sentBy("alice", "claim_keys")).toHaveLength(before + more.length);
  });

  test("that does not come although the relay must have it has the member ask to be taken in again", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
    let refused = false;
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "alice" || !toRelay || frame.type !== "send" || refused) return undefined;
      refused = true;
      const data = { code: 409, reason: "stale_epoch", message: "old", message_id: frame.data.message_id ?? "" };
      queueMicrotask(() => world.proxy.answer("alice", frame.id ?? "", { type: "error", data }));
      return [];
    };
    const sent = await alice.agent.send("@team", "one");
    await eventually("it is refused", async () => ((await groupOf(world, "alice"))?.wait_for_epoch ?? 0) === 3);
    await listening([alice, bob, carol], 170_000);
    await (await alice.agent.send("bob", "something else")).stored();
    await sent.handled();
    expect(await alertKinds(alice.agent)).toContain("stale_epoch");
  });
});

describe("a member that is out", () => {
  test("has nothing left that waits for the group, nor its secrets", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await gathered(world, "alice", "bob", "carol");
    await (await alice.agent.send("@team", "zero")).handled();
    await (await bob.agent.send("@team", "one")).handled();
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "bob" && toRelay && frame.type === "send" ? [] : undefined;
    const queued = await bob.agent.send("@team", "two");
    await alice.agent.groups.remove("team", ["bob"]);
    await eventually("bob is out", async () => (await bob.agent.groups.list()).length === 0);
    world.proxy.rule = undefined;
    world.proxy.cut("bob");
    expect(await rejection(queued.handled())).toMatchObject({ code: "refused", reason: "not_a_member" });
    for (const table of ["queue/@", "owed/@", "mls/", "tree/", "ratchet/", "next/", "commit/", "heal/", "team-member/"])
      expect(await records(world, "bob", table)).toEqual([]);
  });

  test("hears what became of its messages when it is in again, and lacks nothing that was not for it", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await gathered(world, "alice", "bob", "carol");
    for (const body of ["one", "two", "three"]) await (await bob.agent.send("@team", body)).handled();
    await alice.agent.groups.remove("team", ["bob"]);
    await eventually("bob is out", async () => (await bob.agent.groups.list()).length === 0);
    await (await alice.agent.send("@team", "without bob")).handled();
    await alice.agent.groups.add("team", ["bob"]);
    await eventually("bob is in", async () => (await bob.agent.groups.list()).length === 1);
    await (await bob.agent.send("@team", "back")).handled();
    await (await alice.agent.send("@team", "welcome")).handled();
    await hears(bob, "@team alice: welcome");
    const books = await world.memory("bob").read((tx) => list(tx, "team-member/"));
    expect(books.flatMap(({ gaps = [] }) => gaps)).toEqual([]);
  });
});

describe("a member that cannot follow", () => {
  test("hears later what became of its messages meanwhile, and charges nobody for what it could not read", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await gathered(world, "alice", "bob", "carol");
    await bob.agent.close();
    const again = await world.open("bob");
    const held = Promise.withResolvers<void>();
    const got = follow(again, async (message) => {
      await held.promise;
      await message.handled();
    });
    const sent = await carol.agent.send("@team", "one");
    await eventually("bob has it", () => got.length === 1);
    world.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "carol") return undefined;
      if (toRelay && frame.type === "rejoin") return [];
      return !toRelay && frame.data.kind === "commit" ? [edit(frame, { body: "AAEAAg==" })] : undefined;
    };
    await alice.agent.groups.rename("team", "ops");
    await eventually("carol is stuck", async () => (await groupOf(world, "carol"))?.state === "stuck");
    held.resolve();
    await eventually("bob has said so", () => world.proxy.pushedTo("carol", "direct").length >= 2);
    await (await alice.agent.send("@ops", "two")).stored();
    await eventually("carol has two", () => world.proxy.pushedTo("carol", "application").length >= 1);
    expect(await records(world, "carol", "owed/")).toEqual([]);
    world.proxy.rule = undefined;
    world.proxy.cut("carol");
    await sent.handled();
    await hears(carol, "@ops alice: two");
  });

  test("since its state is damaged asks to be taken in again", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await gathered(world, "alice", "bob", "carol");
    await (await alice.agent.send("@team", "one")).handled();
    await alice.agent.close();
    await world.memory("alice").write(async (tx) => {
      for (const table of ["mls/", "tree/", "ratchet/"])
        for (const [key] of await tx.list({ prefix: table })) await tx.put(key, new Uint8Array([1, 2, 3]));
    });
    const again = await world.open("alice");
    follow(again);
    await (await again.send("@team", "two")).handled();
    await hears(bob, "@team alice: one", "@team alice: two");
    expect(await alertKinds(again)).toEqual(["internal"]);
  });
});

test(
  "a member whose state is lost waits for the word of all others on what the relay has taken since",
  { tags: ["long"] },
  async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await gathered(world, "alice", "bob", "carol");
    const hasLeft = deafFrom(world, "alice", "send");
    await alice.agent.send("@team", "one");
    await hears(bob, "@team alice: one");
    expect(hasLeft()).toBe(true);
    const { id = "" } = (await groupOf(world, "alice")) ?? {};
    await alice.agent.close();
    const store = world.memory("alice");
    const { run } = await turns(store);
    await run(async (turn) => {
      await endTeamGroup(turn, id);
      for (const row of await list(turn.tx, "out/"))
        if (row.kind === "message") await storedInTeam(turn, row, { message_id: row.id, status: "delivered", pos: 1 });
    });
    expect((await store.read((tx) => list(tx, "out/")))[0]).toMatchObject({ state: "stored", recipients: { gone: 0 } });
  },
);

describe("a member that asks to be taken in again", () => {
  test("goes on asking although the relay has refused it", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice } = await gathered(world, "alice", "bob", "carol");
    spoilCommits(world, "carol");
    const { rule: spoil } = world.proxy;
    let refused = false;
    world.proxy.rule = (passage) => {
      const { agent, toRelay, frame } = passage;
      if (agent !== "carol" || !toRelay || frame.type !== "rejoin") return spoil?.(passage);
      refused = true;
      const data = { code: 400, reason: "invalid_data", message: "no" };
      queueMicrotask(() => world.proxy.answer("carol", frame.id ?? "", { type: "error", data }));
      return [];
    };
    await alice.agent.groups.rename("team", "ops");
    await eventually("it is refused", () => refused);
    world.proxy.rule = undefined;
    world.proxy.cut("carol");
    await eventually("carol is in again", async () => (await groupOf(world, "carol"))?.state === "open");
  });

  test("is out, and knows it, if it was removed meanwhile", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await gathered(world, "alice", "bob", "carol");
    await bob.agent.close();
    await alice.agent.groups.remove("team", ["bob"]);
    await world.memory("bob").write(async (tx) => {
      for (const [key] of await tx.list({ prefix: "tree/" })) await tx.put(key, new Uint8Array([1, 2, 3]));
    });
    const again = await world.open("bob");
    await again.sync();
    await eventually("bob knows", async () => (await again.groups.list()).length === 0);
    expect((await groupOf(world, "bob"))?.state).toBe("closed");
  });
});

/** Alice, who has founded a group, and in whose store tables of it are damaged. */
async function damaged(world: World, ...tables: string[]): Promise<Agent> {
  const { alice } = await gathered(world, "alice", "bob", "carol");
  await (await alice.agent.send("@team", "one")).handled();
  await alice.agent.close();
  await world.memory("alice").write(async (tx) => {
    for (const prefix of tables) for (const [key] of await tx.list({ prefix })) await tx.put(key, "{broken");
    await tx.put(`op/${pad(77)}`, "{broken");
  });
  const again = await world.open("alice");
  follow(again);
  await again.sync();
  return again;
}

describe("a record of a group that cannot be read", () => {
  test("keeps nothing from being sent if it says how the group is called, or what its members have sent; and a change fails for whoever waits", async () => {
    await using world = await World.create({ noLimits: true });
    const alice = await damaged(world, "team/", "team-member/");
    await eventually("it is there", async () => (await alice.groups.list()).length === 1);
    await (await alice.send("@team", "two")).handled();
    expect(await alertKinds(alice)).toContain("internal");
    const end = await world.memory("alice").read((tx) => get(tx, "op-end/", pad(77)));
    expect(end?.reason).toBe("internal");
  });

  test("fails its founding, for which the relay is asked for nothing more", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice } = await online(world, "alice", "bob");
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "alice" && toRelay && frame.type === "commit" ? [] : undefined;
    const founding = rejection(alice.agent.groups.create("team", ["bob"]));
    await eventually("it has left", () => world.proxy.sentBy("alice", "commit").length === 1);
    await alice.agent.close();
    await founding;
    await world.memory("alice").write(async (tx) => {
      for (const [key] of await tx.list({ prefix: "team-group/" })) await tx.put(key, "{broken");
    });
    world.proxy.rule = undefined;
    const again = await world.open("alice");
    await again.sync();
    await eventually("it has failed", async () => (await records(world, "alice", "op-end/")).length === 1);
    expect(await records(world, "alice", "op/")).toEqual([]);
    expect(world.proxy.sentBy("alice", "claim_keys").length).toBe(1);
  });

  test("is learnt from the group that is sent in, and from none that this one has replaced", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice } = await gathered(world, "alice", "bob");
    await (await alice.agent.send("@team", "one")).handled();
    await alice.agent.close();
    await world.memory("alice").write(async (tx) => {
      const [group] = await list(tx, "team-group/");
      await tx.put("team-group/0", JSON.stringify({ ...group, id: "0", state: "replaced", replaced_at: Date.now() }));
      await tx.put(`team/${group?.key}`, "{broken");
    });
    const again = await world.open("alice");
    follow(again);
    await again.sync();
    await eventually("it is there", async () => (await again.groups.list()).length === 1);
    await (await again.send("@team", "two")).handled();
  });

  test("ends the group here, and its owner hears what to do, if it is the group's own", async () => {
    await using world = await World.create({ noLimits: true });
    const alice = await damaged(world, "team-group/");
    await eventually("it is over", async () => (await alice.groups.list()).length === 0);
    expect((await alice.alerts()).map(({ text }) => text).join()).toContain(
      "has to remove this agent and add it again",
    );
  });
});

/** A disk that takes nothing any more once an outcome is known, as it shows when that is cleared away. */
class FullAtTheEnd extends MemoryStore {
  refused = 0;

  override write<T>(work: (tx: WriteTransaction) => Promise<T>, options?: WriteOptions): Promise<T> {
    return super.write((tx) => work(this.#refusing(tx)), options);
  }

  #refusing(tx: WriteTransaction): WriteTransaction {
    const deleted = (key: string) => {
      if (!/^(op-end|answer)\//.test(key)) return tx.delete(key);
      this.refused += 1;
      throw new AgentError("home_unwritable", "disk I/O error");
    };
    return new Proxy(tx, {
      get(target, name) {
        if (name === "delete") return deleted;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }
}

test("what was done is not called failed, whatever the disk says afterwards", async () => {
  await using world = await World.create({ noLimits: true });
  await online(world, "bob");
  const store = new FullAtTheEnd();
  const alice = await world.open("alice", store);
  expect((await alice.groups.create("team", ["bob"])).members).toEqual(["alice", "bob"]);
  await alice.groups.rename("team", "ops");
  expect(await alice.users()).toEqual(["bob"]);
  expect(store.refused).toBeGreaterThanOrEqual(3);
});
