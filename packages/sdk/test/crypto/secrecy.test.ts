/** What somebody reads who steals a state: nothing from before, and nothing after the next Update of its owner. */
import { describe, expect, it } from "vitest";
import { Disk } from "./disk.ts";
import { pair, receive, receiveText, send, type Side, update } from "./pair.ts";
import { stateOf, Thief } from "./thief.ts";

const steal = (side: Side) => side.crypto.encode(side.group);

/** What a thief reads who tries the messages in both orders. */
async function loot(state: Uint8Array, messages: Uint8Array[]): Promise<string[]> {
  const read: string[] = [];
  for (const order of [messages, messages.toReversed()]) {
    const thief = new Thief(state);
    for (const message of order) read.push((await thief.read(message)) ?? "");
  }
  return read.filter((text) => text !== "");
}

describe("forward secrecy", () => {
  it("a state after reading opens no message that was read, sent or skipped before", async () => {
    const { alice, bob } = await pair();
    const messages: Uint8Array[] = [];
    for (let index = 0; index < 8; index++) messages.push(await send(alice, `from alice ${index}`));
    for (let index = 0; index < 3; index++) messages.push(await send(bob, `from bob ${index}`));
    // 2 to 5 are lost on the way.
    for (const index of [0, 1, 6, 7]) await receive(bob, messages[index]!);
    for (const message of messages.slice(8)) await receive(alice, message);
    for (const side of [alice, bob]) expect(await loot(steal(side), messages)).toEqual([]);
  });

  it("the same for messages of the previous epoch that were read after the commit", async () => {
    const { alice, bob } = await pair();
    const messages = [await send(alice, "one"), await send(alice, "lost"), await send(alice, "two")];
    messages.push(await update(bob, alice));
    await receive(bob, messages[0]!);
    await receive(bob, messages[2]!);
    messages.push(await send(bob, "three"));
    await receive(alice, messages.at(-1)!);
    for (const side of [alice, bob]) expect(await loot(steal(side), messages)).toEqual([]);
  });

  it("two epochs later nothing is left of unread messages either", async () => {
    const { alice, bob } = await pair();
    const unread = [await send(alice, "unread"), await send(bob, "unread too")];
    for (let epoch = 0; epoch < 2; epoch++) await update(bob, alice);
    for (const side of [alice, bob]) expect(await loot(steal(side), unread)).toEqual([]);
  });

  it("no used-up secret is in the next state, nor in a part of it that is kept", async () => {
    const { alice, bob } = await pair();
    const disks = [new Disk(alice), new Disk(bob)] as const;
    const used: Buffer[] = [];
    for (let index = 0; index < 4; index++) {
      const { group, message, consumed } = await alice.crypto.encrypt(
        alice.group,
        new Uint8Array(50),
        new Uint8Array(),
      );
      alice.group = group;
      used.push(...consumed.map((secret) => Buffer.from(secret)));
      // Every other one is lost.
      if (index % 2 === 1) used.push(...(await receive(bob, message)).consumed.map((secret) => Buffer.from(secret)));
      for (const [disk, side] of [[disks[0], alice] as const, [disks[1], bob] as const]) disk.save(side.group);
    }
    expect(used.length).toBeGreaterThan(8);
    for (const state of [...[alice, bob].map((side) => Buffer.from(steal(side))), ...disks.map(({ bytes }) => bytes)])
      expect(used.filter((secret) => secret.length > 0 && state.includes(secret))).toEqual([]);
  });

  it("a pending commit holds no keys of the epoch that it ends", async () => {
    const { alice, bob } = await pair();
    const sent = [await send(alice, "from alice"), await send(bob, "from bob")];
    const { pending } = await bob.crypto.update(bob.group);
    await receive(bob, sent[0]!);
    sent.push(await send(alice, "after the commit was made"));
    expect(await loot(pending, sent)).toEqual([]);
    const present = stateOf(steal(bob));
    const { keySchedule, secretTree, privatePath } = present;
    const secrets = [
      ...Object.values(keySchedule),
      ...secretTree.flatMap((node) => [node.handshake.secret, node.application.secret]),
      ...Object.values(privatePath.privateKeys),
    ] as Uint8Array[];
    expect(secrets.length).toBeGreaterThan(10);
    expect(secrets.filter((secret) => Buffer.from(pending).includes(Buffer.from(secret)))).toEqual([]);
  });

  it("an old leaf key is not in the state after the next Update", async () => {
    const { alice, bob } = await pair();
    for (const [by, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      const old = Object.values(stateOf(steal(by)).privatePath.privateKeys);
      await update(by, other);
      expect(old.filter((key) => Buffer.from(steal(by)).includes(Buffer.from(key)))).toEqual([]);
    }
  });
});

describe("healing", () => {
  it.each([
    ["sends only", "sender"],
    ["receives only", "receiver"],
  ] as const)(
    "a stolen copy of an agent that %s reads on until that agent's own Update, and nothing after it",
    async (_, role) => {
      const { alice, bob } = await pair();
      await receive(bob, await send(alice, "before"));
      const [victim, peer] = role === "sender" ? [alice, bob] : [bob, alice];
      const thief = new Thief(steal(victim));

      // The peer's Update shuts no thief out: this shows that the next step is what does.
      expect(await thief.read(await update(peer, victim))).toBe("commit");
      const readable = await send(peer, "still readable");
      await receive(victim, readable);
      expect(await thief.read(readable)).toBe("still readable");

      const commit = await update(victim, peer);
      const later = [commit, await send(alice, "secret again"), await send(bob, "secret too")];
      expect(await receiveText(bob, later[1]!)).toBe("secret again");
      expect(await receiveText(alice, later[2]!)).toBe("secret too");
      later.push(await update(peer, victim), await send(peer, "and after the peer's"), await update(victim, peer));
      for (const message of later) expect(await thief.read(message)).toBeUndefined();
    },
  );

  it("who steals a pending commit too is shut out by the next one", async () => {
    const { alice, bob } = await pair();
    const { pending, commit } = await bob.crypto.update(bob.group);
    const thief = new Thief(pending);
    bob.group = bob.crypto.applyUpdate(bob.group, pending);
    await receive(alice, commit);
    const later = [await update(bob, alice), await send(alice, "one"), await send(bob, "two")];
    for (const message of later) expect(await thief.read(message)).toBeUndefined();
  });
});
