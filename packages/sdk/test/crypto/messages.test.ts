import { describe, expect, it } from "vitest";
import { EPOCH_MESSAGES, GroupError } from "../../src/crypto/mls/seam.ts";
import { epochOf, groupIdOf, sentInEpoch, wipe } from "../../src/crypto/mls/state.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { Random, seed } from "../random.ts";
import { defaultCryptoProvider } from "../../src/crypto/mls/group.ts";
import type { CryptoProvider } from "../../src/crypto/primitives.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { groupId, pair, receive, receiveText, send, type Side, update } from "./pair.ts";

const hexId = Buffer.from(groupId).toString("hex");

describe("a conversation", () => {
  it("carries texts both ways with what they are bound to, over several epochs", async () => {
    const { alice, bob } = await pair();
    for (const [from, to] of [
      [alice, bob],
      [bob, alice],
      [bob, alice],
      [alice, bob],
    ] as const) {
      const opened = await receive(to, await send(from, "NUL \0, \u{1f512} and\nlines"));
      if (opened.kind !== "application") throw new Error("not an application message");
      expect(opened.plaintext).toEqual(utf8("NUL \0, \u{1f512} and\nlines"));
      expect(opened.authenticatedData).toEqual(utf8("bound"));
      await update(from, to);
    }
    expect([epochOf(alice.group), epochOf(bob.group)]).toEqual([5, 5]);
    expect([groupIdOf(alice.group), groupIdOf(bob.group)]).toEqual([hexId, hexId]);
  });

  it("goes on after any state was encoded and decoded, used-up secrets wiped", async () => {
    const { alice, bob } = await pair();
    for (let round = 0; round < 12; round++) {
      for (const side of [alice, bob]) {
        const encoded = side.crypto.encode(side.group);
        side.group = side.crypto.decode(encoded);
        expect(side.crypto.encode(side.group)).toEqual(encoded);
      }
      const [from, to] = round % 2 === 0 ? [alice, bob] : [bob, alice];
      const sent = await from.crypto.encrypt(from.group, utf8(`round ${round}`), utf8(""));
      from.group = sent.group;
      wipe(sent.consumed);
      const opened = await receive(to, sent.message);
      wipe(opened.consumed);
      expect(opened).toMatchObject({ kind: "application", plaintext: utf8(`round ${round}`) });
      if (round % 3 === 0) await update(to, from);
    }
  });

  it("takes messages of the previous epoch, and none of the one before", async () => {
    const { alice, bob } = await pair();
    const [early, late] = [await send(alice, "early"), await send(alice, "late")];
    await update(bob, alice);
    expect(await receiveText(bob, early)).toBe("early");
    await update(bob, alice);
    await expect(receive(bob, late)).rejects.toThrow(GroupError);
  });

  it("takes the last message of an epoch when all before it were lost, and none that is further ahead", async () => {
    const { alice, bob } = await pair();
    let last: Uint8Array = new Uint8Array();
    for (let count = 0; count < EPOCH_MESSAGES; count++) last = await send(alice, "lost, but for the last");
    expect(sentInEpoch(alice.group)).toBe(EPOCH_MESSAGES);
    const further = await send(alice, "further");
    const error = await receive(bob, further).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(GroupError);
    expect(error).toMatchObject({ steps: 0 });
    expect(await receiveText(bob, last)).toBe("lost, but for the last");
  });

  it("takes messages that were under way while its own commit was admitted", async () => {
    const { alice, bob } = await pair();
    const { pending, commit } = await bob.crypto.update(bob.group);
    const underWay = [await send(alice, "one"), await send(alice, "two")];
    expect(await receiveText(bob, underWay[0]!)).toBe("one");
    bob.group = bob.crypto.applyUpdate(bob.group, pending);
    expect(await receiveText(bob, underWay[1]!)).toBe("two");
    await receive(alice, commit);
    expect(await receiveText(alice, await send(bob, "three"))).toBe("three");
  });
});

describe("a message is refused, and the state stays as it was,", () => {
  it("when it comes twice", async () => {
    const { alice, bob } = await pair();
    const messages = [await send(alice, "one"), await send(alice, "two")];
    for (const message of messages) await receive(bob, message);
    await refuses(bob, messages);
    expect(await receiveText(bob, await send(alice, "three"))).toBe("three");
  });

  it("when it comes behind a later one", async () => {
    const { alice, bob } = await pair();
    const [first, second] = [await send(alice, "one"), await send(alice, "two")];
    await receive(bob, second);
    await refuses(bob, [first]);
  });

  it("when it is our own, also when our store is an old copy", async () => {
    const { alice, bob } = await pair();
    const before = alice.group;
    const own = await send(alice, "hello");
    await refuses(alice, [own]);
    await refuses({ ...alice, group: before }, [own]);
    expect(await receiveText(bob, own)).toBe("hello");
  });

  it("when it is our own commit", async () => {
    const { alice } = await pair();
    const { pending, commit } = await alice.crypto.update(alice.group);
    await refuses(alice, [commit]);
    alice.group = alice.crypto.applyUpdate(alice.group, pending);
    await refuses(alice, [commit]);
  });

  it("when a commit comes twice, or is a second one for its epoch", async () => {
    const { alice, bob } = await pair();
    const second = await bob.crypto.update(bob.group);
    const commit = await update(bob, alice);
    await refuses(alice, [commit, second.commit]);
  });

  it("when it is of another conversation", async () => {
    const [here, there] = [await pair(), await pair()];
    await refuses(here.bob, [
      await send(there.alice, "hello"),
      (await there.alice.crypto.update(there.alice.group)).commit,
    ]);
  });

  it(`when any byte of it was changed, or its end is missing (seed ${seed})`, async () => {
    const { alice, bob } = await pair();
    const random = new Random();
    const message = await send(alice, "some text to be changed");
    const { commit } = await alice.crypto.update(alice.group);
    // Every byte of the message, and a sample of the much longer commit.
    const places = [
      ...Array.from(message, (_, at) => [message, at] as const),
      ...Array.from({ length: 100 }, () => [commit, random.int(commit.length)] as const),
    ];
    for (const [whole, at] of places) {
      const changed = whole.slice();
      changed[at]! ^= 1 << random.int(8);
      await refuses(bob, [changed, whole.slice(0, at)]);
    }
    await refuses(bob, [Uint8Array.of(...message, 0)]);
    expect(await receiveText(bob, message)).toBe("some text to be changed");
  });
});

async function refuses(side: Side, messages: Uint8Array[]): Promise<void> {
  const before = side.crypto.encode(side.group);
  for (const message of messages) await expect(side.crypto.decrypt(side.group, message)).rejects.toThrow(GroupError);
  expect(Buffer.from(side.crypto.encode(side.group)).equals(before)).toBe(true);
}

/** Three of Alice's, of which she may sign some wrongly. */
async function three(lies: number[] = []): Promise<{ alice: Side; bob: Side; sent: Uint8Array[] }> {
  let count = 0;
  const liar: CryptoProvider = {
    getCiphersuiteImpl: async (suite) => {
      const { signature, ...rest } = await nodeCryptoProvider.getCiphersuiteImpl(suite);
      const sign = async (key: Uint8Array, message: Uint8Array) => {
        const made = await signature.sign(key, message);
        return lies.includes(count) ? made.fill(1) : made;
      };
      return { ...rest, signature: { ...signature, sign } };
    },
  };
  const { alice, bob } = await pair(liar, nodeCryptoProvider);
  const sent: Uint8Array[] = [];
  for (count = 1; count <= 3; count++) sent.push(await send(alice, `message ${count}`));
  count = 0;
  return { alice, bob, sent };
}

describe("messages that are decrypted together", () => {
  it("are the same, and leave the same state, as one after the other", async () => {
    const { bob, sent } = await three();
    const together = await bob.crypto.decryptAll(bob.group, sent);
    for (const [index, message] of sent.entries()) {
      const { group, ...alone } = await receive(bob, message);
      expect(together[index]).toMatchObject(alone);
      expect(bob.crypto.encode(together[index]!.group)).toEqual(bob.crypto.encode(group));
    }
  });

  it.each([1, 2, 3])(
    "end before the first that is not signed by its sender, here number %i, which is refused alone as well",
    async (lie) => {
      const { bob, sent } = await three([lie]);
      const together = await bob.crypto.decryptAll(bob.group, sent);
      expect(together).toHaveLength(lie - 1);
      bob.group = together.at(-1)?.group ?? bob.group;
      await expect(receive(bob, sent[lie - 1]!)).rejects.toThrow(GroupError);
      for (const message of sent.slice(lie)) expect(await receiveText(bob, message)).toMatch(/^message/);
    },
  );

  it("end before a repeat, a commit, and what is no message", async () => {
    const { alice, bob, sent } = await three();
    const { commit } = await alice.crypto.update(alice.group);
    for (const other of [sent[0]!, commit, new Uint8Array(9)])
      expect(await bob.crypto.decryptAll(bob.group, [...sent, other])).toHaveLength(3);
  });

  it("are none where the runtime verifies nothing beside", async () => {
    const { alice, bob } = await pair(defaultCryptoProvider);
    expect(await bob.crypto.decryptAll(bob.group, [await send(alice, "one")])).toEqual([]);
  });
});
