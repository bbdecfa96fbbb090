/** Whom a member of a group trusts, which is its owner's matter and no rule of the group's. */
import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../src/store/memory.ts";
import { list } from "../../src/records/records.ts";
import { teamPin } from "../../src/records/team-pins.ts";
import type { IncomingMessage } from "../../src/agent/message.ts";
import { edit } from "./proxy.ts";
import { alertKinds, caughtUp, eventually, follow, rejection, World } from "./world.ts";

function texts(got: IncomingMessage[]): string[] {
  return got.map(({ body }) => body);
}

/** Alice has founded a group with Bob and Carol; somebody is Dave to Bob, and somebody else, whom Alice adds, to her. */
async function anotherDave() {
  const world = await World.create({ noLimits: true });
  const [alice, bob, carol] = [await world.open("alice"), await world.open("bob"), await world.open("carol")];
  const first = await world.open("dave");
  const [got, gotByCarol] = [follow(bob), follow(carol)];
  follow(alice);
  follow(first);
  await Promise.all([bob.sync(), carol.sync()]);
  await (await bob.send("dave", "hello")).handled();
  await first.unregister({ release: true });
  const dave = await world.open("dave", new MemoryStore());
  const gotByDave = follow(dave);
  await dave.sync();
  await alice.groups.create("team", ["bob", "carol"]);
  await (await alice.send("@team", "one")).handled();
  await alice.groups.add("team", ["dave"]);
  await eventually("bob follows", async () => (await bob.groups.find("team")).members.includes("dave"));
  return { world, alice, bob, dave, got, gotByCarol, gotByDave };
}

describe("[P-15.13] a member that came under another identity than the pinned one", () => {
  test("is in the group, in which nothing is sent until it is trusted; what the others send is read", async () => {
    const { world: opened, alice, bob, dave, got, gotByDave } = await anotherDave();
    await using _ = opened;
    const error = await rejection(bob.send("@team", "for the old dave, too"));
    expect(error).toMatchObject({
      code: "identity_changed",
      message:
        "dave is in @team under another identity key than the pinned one: this may be somebody else; nothing was sent",
    });
    expect(error.hint).toContain("contacts trust dave#FINGERPRINT");
    expect(await alertKinds(bob)).toContain("identity_changed");
    const sent = await alice.send("@team", "two");
    await eventually("bob reads it", () => got.length === 2);
    await bob.trust(`dave#${dave.fingerprint}`);
    await (await bob.send("@team", "welcome")).handled();
    await sent.handled();
    await eventually("dave has it", () => gotByDave.length === 2);
    expect(texts(gotByDave).toSorted()).toEqual(["two", "welcome"]);
  });

  test("is nobody whom what waits already would reach, and all is well when it is gone", async () => {
    const { world: opened, alice, bob, gotByCarol } = await anotherDave();
    await using _ = opened;
    const store = opened.memory("bob");
    await alice.groups.remove("team", ["dave"]);
    await eventually("bob follows", async () => !(await bob.groups.find("team")).members.includes("dave"));
    await (await bob.send("@team", "among us")).handled();
    expect(texts(gotByCarol)).toEqual(["one", "among us"]);
    await bob.close();
    opened.proxy.rule = ({ agent }) => (agent === "bob" ? "cut" : undefined);
    const again = await opened.open("bob");
    const sent = await again.send("@team", "written before it was known");
    const [team] = await store.read((tx) => list(tx, "team/"));
    await store.write((tx) => tx.put(teamPin(team?.key ?? "", "dave"), "another identity"));
    opened.proxy.rule = undefined;
    expect(await rejection(sent.handled())).toMatchObject({ code: "identity_changed" });
    await caughtUp(again);
    expect(texts(gotByCarol)).toEqual(["one", "among us"]);
  });

  test("is in nobody's way once it is gone, though it went while this agent could not follow", async () => {
    const { world: opened, alice, bob, gotByCarol } = await anotherDave();
    await using _ = opened;
    opened.proxy.rule = ({ agent, toRelay, frame }) => {
      if (agent !== "bob" || frame.data.kind !== "commit") return undefined;
      return toRelay ? undefined : [edit(frame, { body: "AAEAAg==" })];
    };
    await alice.groups.remove("team", ["dave"]);
    await eventually("bob cannot follow", async () => (await alertKinds(bob)).includes("bad_commit"));
    opened.proxy.rule = undefined;
    await eventually("bob is taken in", async () => {
      const { isLapsed, members } = await bob.groups.find("team");
      return !isLapsed && !members.includes("dave");
    });
    await (await bob.send("@team", "among us")).handled();
    expect(texts(gotByCarol)).toContain("among us");
  });
});
