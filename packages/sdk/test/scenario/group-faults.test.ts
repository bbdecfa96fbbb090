/** Groups whose relay's answers get lost, whose members find no room, and other things that go wrong on the way. */
import { describe, expect, test } from "vitest";
import { type Frame } from "./proxy.ts";
import { gathered, groupOf, hears } from "./members.ts";
import { eventually, World } from "./world.ts";

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
      const data = { code: 409, reason: "message_id_reused", message: "known", message_id: frame.data.message_id ?? "" };
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
