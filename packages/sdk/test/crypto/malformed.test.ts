import { beforeAll, describe, expect, it } from "vitest";
import { GroupError } from "../../src/crypto/mls/seam.ts";
import { concat, equal, lengthPrefixed } from "../../src/protocol/index.ts";
import { Random, seed } from "../random.ts";
import { anyone, groupId, now, type Opening, pair, type Side, strangers } from "./pair.ts";

const ROUNDS = 1000;

let sides: { alice: Side; bob: Side };
let opening: Opening;
beforeAll(async () => {
  sides = await pair();
  opening = await strangers();
});

/** Bytes of any kind and length, and `whole` cut short or ending otherwise; never `whole` itself. */
function* inputs(whole: Uint8Array): Generator<Uint8Array> {
  const random = new Random();
  for (let round = 0; round < ROUNDS; round++) {
    // The first bytes decide how the rest is read.
    const start = whole.slice(0, random.int(80));
    const input =
      round % 3 === 0
        ? random.bytes(random.int(300))
        : round % 3 === 1
          ? concat(start, random.bytes(random.int(300)))
          : whole.slice(0, random.int(whole.length));
    if (!equal(input, whole)) yield input;
  }
}

describe(`random and truncated bytes are refused by a GroupError (seed ${seed})`, () => {
  it("as a message", async () => {
    const { alice, bob } = sides;
    const { message } = await alice.crypto.encrypt(alice.group, new Uint8Array(100), new Uint8Array());
    const { commit } = await alice.crypto.update(alice.group);
    for (const whole of [message, commit])
      for (const input of inputs(whole)) await expect(bob.crypto.decrypt(bob.group, input)).rejects.toThrow(GroupError);
  });

  it("as a Welcome, or as the secret of a key package", async () => {
    const { alice, bob, keyPackage } = opening;
    const { welcome } = await alice.crypto.open(groupId, alice.leaf, keyPackage.public, now, anyone);
    for (const input of inputs(welcome)) {
      expect(bob.crypto.welcomeRefs(input)).toEqual([]);
      await expect(bob.crypto.join(input, keyPackage.secret, bob.leaf, anyone)).rejects.toThrow(GroupError);
    }
    for (const input of inputs(keyPackage.secret))
      await expect(bob.crypto.join(welcome, input, bob.leaf, anyone)).rejects.toThrow(GroupError);
  });

  it("as a key package", async () => {
    const { alice, keyPackage } = opening;
    for (const input of inputs(keyPackage.public))
      await expect(alice.crypto.open(groupId, alice.leaf, input, now, anyone)).rejects.toThrow(GroupError);
  });

  it("as a state", async () => {
    const { alice, bob } = sides;
    const { pending } = await bob.crypto.update(bob.group);
    for (const whole of [alice.crypto.encode(alice.group), pending])
      for (const input of inputs(whole)) expect(() => alice.crypto.decode(input)).toThrow(GroupError);
  });

  it("signatures and keys of any length are just false", async () => {
    const { crypto, leaf } = opening.alice;
    const message = lengthPrefixed("text");
    const signature = await crypto.sign(leaf.privateKey, message);
    expect(await crypto.verify(leaf.publicKey, message, signature)).toBe(true);
    for (const input of inputs(signature)) {
      expect(await crypto.verify(leaf.publicKey, message, input)).toBe(false);
      expect(await crypto.verify(input, message, signature)).toBe(false);
    }
  });
});
