/** Groups of agents, each over its own store, at a real relay. */
import { describe, expect, test } from "vitest";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { edit, type Frame } from "./proxy.ts";
import { list, pad, put } from "../../src/records/records.ts";
import { MemoryFolder, MemoryStore } from "../../src/store/memory.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { hears, online, texts } from "./members.ts";
import { caughtUp, eventually, follow, rejection, World } from "./world.ts";

describe("a group", () => {
  test("takes a message to all of its members, who each handle it, and its sender hears so", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol, dave } = await online(world, "alice", "bob", "carol", "dave");
    const group = await alice.agent.groups.create("team", ["bob", "carol", "dave"], { about: "release crew" });
    expect(group).toMatchObject({ name: "team", about: "release crew", admins: ["alice"], state: "active" });
    expect(group.members).toEqual(["alice", "bob", "carol", "dave"]);
    await (await alice.agent.send("@team", "ship it")).handled();
    await (await bob.agent.send("@team", "shipped")).handled();
    for (const member of [carol, dave]) await hears(member, "@team alice: ship it", "@team bob: shipped");
    await hears(alice, "@team bob: shipped");
    await hears(bob, "@team alice: ship it");
  });

  test("is answered as a whole, or its sender privately", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await (await alice.agent.send("@team", "who can?")).handled();
    await (await (bob.got[0] as IncomingMessage).reply("I can")).handled();
    await (await (carol.got[0] as IncomingMessage).reply("I cannot", { privately: true })).handled();
    await hears(alice, "@team bob: I can", "@undefined carol: I cannot");
    await hears(carol, "@team alice: who can?", "@team bob: I can");
    expect(carol.got[1]?.replyTo).toBe(alice.got[0]?.replyTo);
  });

  test("takes in another one, who reads what comes from then on, and lets go of one, who does not", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol, dave } = await online(world, "alice", "bob", "carol", "dave");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await (await alice.agent.send("@team", "one")).handled();
    await alice.agent.groups.add("team", ["dave"]);
    await (await bob.agent.send("@team", "two")).handled();
    await alice.agent.groups.remove("team", ["carol"]);
    await (await dave.agent.send("@team", "three")).handled();
    await hears(dave, "@team bob: two");
    await hears(carol, "@team alice: one", "@team bob: two");
    await hears(alice, "@team bob: two", "@team dave: three");
    expect(await rejection(carol.agent.send("@team", "four"))).toMatchObject({ code: "unknown_group" });
  });

  test("is changed by any admin, and by nobody else", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await eventually("bob is in it", async () => (await bob.agent.groups.list()).length === 1);
    expect(await rejection(bob.agent.groups.rename("team", "ops"))).toMatchObject({ code: "not_an_admin" });
    await alice.agent.groups.promote("team", ["bob"]);
    await eventually("bob knows", async () => (await bob.agent.groups.find("team")).admins.includes("bob"));
    await bob.agent.groups.rename("team", "ops");
    await bob.agent.groups.demote("ops", ["alice"]);
    await eventually("alice knows", async () => !(await alice.agent.groups.find("ops")).admins.includes("alice"));
    expect(await rejection(alice.agent.groups.remove("ops", ["carol"]))).toMatchObject({ code: "not_an_admin" });
    await bob.agent.groups.remove("ops", ["carol"]);
    expect((await bob.agent.groups.find("@ops")).members).toEqual(["alice", "bob"]);
  });

  test("is not founded if one of its members cannot be added", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice } = await online(world, "alice", "bob");
    expect(await rejection(alice.agent.groups.create("team", ["bob", "nobody"]))).toMatchObject({
      code: "refused",
      reason: "unknown_user",
      message: "nobody cannot be added: there is no agent nobody at this relay",
    });
    expect(await alice.agent.groups.list()).toEqual([]);
  });

  test("has what two admins want of it at once, each once", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol", "dave", "erin");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await alice.agent.groups.promote("team", ["bob"]);
    await eventually("bob knows", async () => (await bob.agent.groups.find("team")).admins.includes("bob"));
    await Promise.all([alice.agent.groups.add("team", ["dave"]), bob.agent.groups.add("team", ["erin"])]);
    const everybody = ["alice", "bob", "carol", "dave", "erin"];
    for (const { agent } of [alice, bob, carol])
      await eventually(
        `${agent.username} sees both`,
        async () => (await agent.groups.find("team")).members.join() === everybody.join(),
      );
  });

  test("waits for whoever sleeps, and each process may send to it", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await bob.agent.sync();
    await bob.agent.close();
    const sent = await alice.agent.send("@team", "good night");
    await sent.stored();
    const again = await world.open("bob");
    const got = follow(again);
    await sent.handled();
    await hears({ agent: again, got }, "@team alice: good night");
  });

  test.each([
    ["is lost on its way", (frame: Frame) => (frame.data.from === "alice" ? [] : undefined)],
    [
      "comes as something else",
      (frame: Frame) => (frame.data.from === "alice" ? [edit(frame, { message: "AAEAAg==" })] : undefined),
    ],
  ])("has a message that %s sent again to whoever lacks it, and to nobody else", async (_how, lie) => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await (await alice.agent.send("@team", "one")).handled();
    let lies = 1;
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "carol" && !toRelay && frame.data.kind === "application" && lies-- > 0 ? lie(frame) : undefined;
    const [two, three] = [await alice.agent.send("@team", "two"), await alice.agent.send("@team", "three")];
    await Promise.all([two.handled(), three.handled()]);
    await hears(carol, ...["one", "two", "three"].map((text) => `@team alice: ${text}`));
    await hears(bob, ...["one", "two", "three"].map((text) => `@team alice: ${text}`));
  });

  test("tells how a message is at each of those whom it was for, and does not wait for whoever is gone", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol", "dave");
    await alice.agent.groups.create("team", ["bob", "carol", "dave"]);
    await caughtUp(bob.agent);
    await caughtUp(carol.agent);
    await carol.agent.close();
    const sent = await alice.agent.send("@team", "anybody?");
    await eventually("two have handled it", async () => (await sent.recipients()).handled.length === 2);
    expect(await sent.recipients()).toEqual({
      received: ["bob", "dave"],
      handled: ["bob", "dave"],
      failed: [],
      waiting: ["carol"],
      gone: [],
    });
    await alice.agent.groups.remove("team", ["carol"]);
    expect((await sent.handled()).state).toBe("handled");
    expect((await sent.recipients()).gone).toEqual(["carol"]);
  });

  test("is failed for a message that one of its members has failed on, and says at whom and why", async () => {
    await using world = await World.create({ noLimits: true });
    const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
    follow(bob);
    follow(carol, (message) => message.failed("out of paper"));
    await Promise.all([bob.sync(), carol.sync()]);
    await alice.groups.create("team", ["bob", "carol"]);
    const sent = await alice.send("@team", "print it");
    expect(await rejection(sent.handled())).toMatchObject({ code: "failed", reason: "partial" });
    expect(await sent.recipients()).toMatchObject({
      handled: ["bob"],
      failed: [{ name: "carol", state: "failed", reason: "out of paper" }],
    });
  });

  test("lets go of whoever leaves, and nobody waits for it any more", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await (await alice.agent.send("@team", "one")).handled();
    await carol.agent.groups.leave("@team");
    expect(await carol.agent.groups.list()).toEqual([]);
    await eventually(
      "the others see it",
      async () => (await bob.agent.groups.find("team")).members.join() === "alice,bob",
    );
    await (await bob.agent.send("@team", "two")).handled();
    await hears(carol, "@team alice: one");
    expect(await rejection(alice.agent.groups.leave("team"))).toMatchObject({
      code: "failed",
      message: "this agent is the only admin of @team",
    });
    await alice.agent.groups.promote("team", ["bob"]);
    await alice.agent.groups.leave("team");
    await eventually("bob is alone", async () => (await bob.agent.groups.find("team")).members.join() === "bob");
  });

  test("takes a member in again that was removed", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await alice.agent.groups.remove("team", ["carol"]);
    await (await alice.agent.send("@team", "not for carol")).handled();
    await alice.agent.groups.add("team", ["carol"]);
    await (await bob.agent.send("@team", "for all")).handled();
    await hears(carol, "@team bob: for all");
  });

  test("takes in again, without an admin, a member that cannot follow a commit; it misses nothing", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol", "dave");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await (await bob.agent.send("@team", "one")).handled();
    await carol.agent.close();
    await alice.agent.groups.add("team", ["dave"]);
    await alice.agent.close();
    await bob.agent.send("@team", "two");
    world.proxy.rule = ({ agent, toRelay, frame }) =>
      agent === "carol" && !toRelay && frame.data.kind === "commit" ? [edit(frame, { body: "AAEAAg==" })] : undefined;
    const again = await world.open("carol");
    const got = follow(again);
    await eventually("carol cannot follow", async () =>
      (await again.alerts()).some(({ kind }) => kind === "bad_commit"),
    );
    world.proxy.rule = undefined;
    await hears({ agent: again, got }, "@team bob: two");
    await (await again.send("@team", "back again")).stored();
    await eventually("bob hears carol", () => bob.got.length === 1);
  });

  test("takes in again an agent that was restored, as its new device, with what it missed", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await (await carol.agent.send("@team", "I was here")).handled();
    const { makeBackup, readBackup, restoreBackup } = await import("../../src/agent/backup.ts");
    const backup = await makeBackup(world.memory("carol"));
    await carol.agent.close();
    const missed = await bob.agent.send("@team", "in between");
    await missed.stored();
    const store = new MemoryStore(new MemoryFolder());
    await restoreBackup(store, readBackup(JSON.stringify(backup)), nodeCryptoProvider);
    const restored = await world.open("carol", store);
    const got = follow(restored);
    await eventually("it is in the group again", async () => (await restored.groups.list()).length === 1);
    await missed.handled();
    await (await restored.send("@team", "here again")).handled();
    await hears({ agent: restored, got }, "@team bob: in between");
    await hears(bob, "@team carol: I was here", "@team carol: here again");
  });

  test("leaves nothing behind of a change that was made, nor of a message that is forgotten", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await alice.agent.groups.rename("team", "ops");
    await (await alice.agent.send("@ops", "read it and forget it")).handled();
    const store = world.memory("alice");
    const keys = await store.read(async (tx) => (await tx.list({ prefix: "" })).map(([key]) => key.split("/")[0]));
    for (const table of ["op", "op-end", "commit", "next", "wire", "sent"]) expect(keys).not.toContain(table);
    const all = (await store.read((tx) => tx.list({ prefix: "" }))).map(([, value]) => value).join(" ");
    expect(all).not.toContain("forget it");
  });

  test("waits for the consent of whoever it is new to, who then gets what was sent meanwhile", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await carol.agent.requests.setPolicy("contacts");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    const sent = [await alice.agent.send("@team", "one"), await bob.agent.send("@team", "two")];
    await eventually("the owner sees it", async () => (await carol.agent.groups.list()).length === 1);
    await eventually("bob has it", () => bob.got.length === 1);
    await caughtUp(carol.agent);
    expect(carol.got).toEqual([]);
    expect((await sent[0]?.recipients())?.waiting).toEqual(["carol"]);
    expect(await rejection(carol.agent.send("@team", "hello"))).toMatchObject({ code: "not_a_member" });
    await carol.agent.groups.accept("team");
    for (const one of sent) await one.handled();
    await hears(carol, "@team alice: one", "@team bob: two");
  });

  test("is left at once by an agent that is closed to whoever has added it", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, carol } = await online(world, "alice", "bob", "carol");
    await carol.agent.requests.setPolicy("closed");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await eventually("it has left", async () => (await alice.agent.groups.find("team")).members.join() === "alice,bob");
    expect(await carol.agent.groups.list()).toEqual([]);
  });

  test("has members that are blocked by others, whose messages these do not get, and they hear so", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await (await alice.agent.send("@team", "hello")).handled();
    await carol.agent.verify("alice");
    await carol.agent.block("alice");
    const sent = await alice.agent.send("@team", "are you there?");
    expect(await rejection(sent.handled())).toMatchObject({ reason: "partial" });
    expect((await sent.recipients()).failed).toEqual([{ name: "carol", state: "failed", reason: "blocked" }]);
    await (await bob.agent.send("@team", "I am")).handled();
    await hears(carol, "@team alice: hello", "@team bob: I am");
  });

  test("that one was in before has another name, if its own is another one's by now", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, carol } = await online(world, "alice", "bob", "carol", "dave");
    await bob.agent.groups.create("team", ["alice", "dave"]);
    await eventually("alice is in it", async () => (await alice.agent.groups.list()).length === 1);
    await bob.agent.groups.remove("team", ["alice"]);
    await eventually("alice is out", async () => (await alice.agent.groups.list()).length === 0);
    await carol.agent.groups.create("team", ["alice", "dave"]);
    await eventually("alice is in the other", async () => (await alice.agent.groups.list()).length === 1);
    await bob.agent.groups.add("team", ["alice"]);
    await eventually("alice is in both", async () => (await alice.agent.groups.list()).length === 2);
    expect((await alice.agent.groups.list()).map(({ name }) => name)).toEqual(["team", "team~2"]);
    await (await bob.agent.send("@team", "hello")).handled();
    expect(texts(alice)).toEqual(["@team~2 bob: hello"]);
  });

  test("hears of a member that had a message, and for which its time was over before it was handled", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice } = await online(world, "alice", "bob");
    const carol = await world.open("carol");
    await carol.sync();
    await alice.agent.groups.create("team", ["bob", "carol"]);
    const sent = await alice.agent.send("@team", "now or never", { expiresIn: 1_000 });
    await sent.received();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    follow(carol);
    expect(await rejection(sent.handled())).toMatchObject({ code: "failed", reason: "partial" });
    expect(await sent.recipients()).toMatchObject({ handled: ["bob"], failed: [{ name: "carol", reason: "expired" }] });
  });

  test("whose only member is its admin is left like any other", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice } = await online(world, "alice", "bob", "carol");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    await alice.agent.groups.remove("team", ["bob", "carol"]);
    await alice.agent.groups.leave("team");
    expect(await alice.agent.groups.list()).toEqual([]);
  });

  test("is not replaced by another one of somebody who knows its key", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice, bob, mallory } = await online(world, "alice", "bob", "carol", "mallory");
    await alice.agent.groups.create("team", ["bob", "carol"]);
    const [team] = await world.memory("alice").read((tx) => list(tx, "team/"));
    const key = team?.key ?? "";
    const forged = { seq: 1, kind: "create" as const, key, name: "team", about: "", names: ["bob"], at: Date.now() };
    await world.memory("mallory").write((tx) => put(tx, "op/", pad(1), forged));
    await mallory.agent.sync();
    await eventually("bob is told", async () => (await bob.agent.alerts()).some(({ kind }) => kind === "group_twice"));
    const groups = (await bob.agent.groups.list()).map(({ name, members }) => [name, members.join()]);
    expect(groups).toEqual([
      ["team", "alice,bob,carol"],
      ["team~2", "bob,mallory"],
    ]);
    await (await bob.agent.send("@team", "for us")).handled();
    expect(mallory.got).toEqual([]);
  });

  test("says why a change was not made, and what to do", async () => {
    await using world = await World.create({ noLimits: true });
    const { alice } = await online(world, "alice", "bob", "carol", "dave");
    const { groups } = alice.agent;
    await groups.create("team", ["bob", "carol"]);
    await groups.promote("team", ["bob"]);
    expect(await rejection(groups.remove("team", ["bob"]))).toMatchObject({ reason: "admin_removed" });
    expect(await rejection(groups.remove("team", ["dave"]))).toMatchObject({ reason: "unknown_leaf" });
    expect(await rejection(groups.promote("team", ["dave"]))).toMatchObject({ reason: "admin_not_member" });
    expect(await rejection(groups.add("team", ["carol"]))).toMatchObject({ reason: "name_twice" });
    await groups.demote("team", ["bob"]);
    expect((await groups.find("team")).admins).toEqual(["alice"]);
  });
});
