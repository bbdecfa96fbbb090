/** What only a member of the conversation can send, and still may not. */
import { createCommit, createGroupInfoWithExternalPub, encodeMlsMessage, type Proposal } from "ts-mls";
import { describe, expect, it, test } from "vitest";
import { type Authenticate, GroupError } from "../../src/crypto/mls/seam.ts";
import { epochOf } from "../../src/crypto/mls/state.ts";
import { equal, utf8 } from "../../src/protocol/index.ts";
import {
  add,
  commitWith,
  commitWithoutPath,
  found,
  keyPackageOf,
  newKeyPackage,
  proposalOf,
  unruled,
  withCredential,
} from "./forger.ts";
import { anyone, groupId, now, pair, receive, receiveText, send, type Side, strangers } from "./pair.ts";
import { suite } from "./thief.ts";

describe("a member may not", () => {
  const remove: Proposal = { proposalType: "remove", remove: { removed: 1 } };
  const reinit: Proposal = {
    proposalType: "reinit",
    reinit: { groupId: utf8("next"), version: "mls10", cipherSuite: suite.name, extensions: [] },
  };
  const extensions: Proposal = {
    proposalType: "group_context_extensions",
    groupContextExtensions: { extensions: [] },
  };

  it.each([
    ["remove the other", remove],
    ["reinitialise the group", reinit],
    ["set extensions", extensions],
  ])("[A-1] %s by a commit", async (_what, proposal) => {
    const { alice, bob } = await pair();
    await refused(bob, await commitWith(unruled(alice), { extraProposals: [proposal] }), alice);
  });

  it("[A-1] add a third one by a commit", async () => {
    const { alice, bob } = await pair();
    const keyPackage = await newKeyPackage(alice.crypto, "carol");
    await refused(
      bob,
      await commitWith(unruled(alice), { extraProposals: [{ proposalType: "add", add: { keyPackage } }] }),
      alice,
    );
  });

  it.each([
    ["a proposal", false],
    ["a public proposal", true],
  ])("send %s", async (_what, isPublic) => {
    const { alice, bob } = await pair();
    const keyPackage = await newKeyPackage(alice.crypto, "carol");
    await refused(bob, await proposalOf(unruled(alice), isPublic, { proposalType: "add", add: { keyPackage } }), alice);
    await refused(bob, await proposalOf(unruled(alice), isPublic, remove), alice);
  });

  it("[A-1] commit in the open", async () => {
    const { alice, bob } = await pair();
    await refused(bob, await commitWith(unruled(alice), { wireAsPublicMessage: true }), alice);
  });

  it("send a GroupInfo, a Welcome or a key package as a message", async () => {
    const { alice, bob } = await pair();
    const groupInfo = await createGroupInfoWithExternalPub(unruled(alice), [], suite);
    await refused(bob, encodeMlsMessage({ version: "mls10", wireformat: "mls_group_info", groupInfo }), alice);
    await refused(bob, (await alice.crypto.makeKeyPackage(alice.leaf, now)).public, alice);
    const other = await add(await found(alice.crypto, alice.leaf), await newKeyPackage(bob.crypto, "bob"));
    await refused(bob, other.welcome, alice);
  });

  it("[A-1] commit without new keys", async () => {
    const { alice, bob } = await pair();
    await refused(bob, await commitWithoutPath(unruled(alice)), alice);
  });

  it.each(["straight after joining", "after the state was stored"])(
    "change its name or certificate, %s",
    async (when) => {
      const { alice, bob } = await pair();
      if (when === "after the state was stored") bob.group = bob.crypto.decode(bob.crypto.encode(bob.group));
      await refused(bob, await commitWith(withCredential(unruled(alice), "mallory"), {}), alice);
    },
  );

  it("[A-1] change its name or certificate towards who opened the conversation", async () => {
    const { alice, bob } = await pair();
    await refused(alice, await commitWith(withCredential(unruled(bob), "mallory"), {}), bob);
  });
});

describe("a Welcome is refused", () => {
  it("if the group has three members", async () => {
    const { alice, bob, keyPackage } = await strangers();
    const { welcome } = await add(
      await found(alice.crypto, alice.leaf),
      keyPackageOf(keyPackage.public),
      await newKeyPackage(bob.crypto, "carol"),
    );
    await expect(bob.crypto.join(welcome, keyPackage.secret, bob.leaf, anyone)).rejects.toThrow(GroupError);
  });

  it("if the group is not new", async () => {
    const { alice, bob, keyPackage } = await strangers();
    const alone = await found(alice.crypto, alice.leaf);
    const { newState } = await createCommit({ state: alone, cipherSuite: suite }, {});
    const { welcome } = await add(newState, keyPackageOf(keyPackage.public));
    await expect(bob.crypto.join(welcome, keyPackage.secret, bob.leaf, anyone)).rejects.toThrow("not a new");
  });

  it("if it is for another key package, or was changed", async () => {
    const { alice, bob, keyPackage } = await strangers();
    const { welcome } = await alice.crypto.open(groupId, alice.leaf, keyPackage.public, now, anyone);
    expect(bob.crypto.welcomeRefs(welcome)).toEqual([keyPackage.ref]);
    const other = await bob.crypto.makeKeyPackage(bob.leaf, now);
    await expect(bob.crypto.join(welcome, other.secret, bob.leaf, anyone)).rejects.toThrow(GroupError);
    for (let at = 0; at < welcome.length; at += 97) {
      const changed = welcome.slice();
      changed[at]! ^= 1;
      await expect(bob.crypto.join(changed, keyPackage.secret, bob.leaf, anyone)).rejects.toThrow(GroupError);
    }
    await bob.crypto.join(welcome, keyPackage.secret, bob.leaf, anyone);
  });

  it("if its sender is not who it claims to be", async () => {
    const { alice, bob, keyPackage } = await strangers();
    const { welcome } = await alice.crypto.open(groupId, alice.leaf, keyPackage.public, now, anyone);
    const asked: string[] = [];
    const notAlice: Authenticate = async (credential, key) => {
      asked.push(new TextDecoder().decode(credential));
      return !equal(key, alice.leaf.publicKey);
    };
    await expect(bob.crypto.join(welcome, keyPackage.secret, bob.leaf, notAlice)).rejects.toThrow(GroupError);
    expect(asked).toContain("alice");
  });
});

test("[P-9.1] a key package announces the extension of a team's settings, and one that does not is good for two", async () => {
  const { alice, bob, keyPackage } = await strangers();
  expect(keyPackage.caps).toEqual([0xf0a1]);
  expect(keyPackageOf(keyPackage.public).leafNode.capabilities.extensions).toEqual([0xf0a1]);
  const before = await newKeyPackage(bob.crypto, "bob");
  expect(before.leafNode.capabilities.extensions).toEqual([]);
  const encoded = encodeMlsMessage({ version: "mls10", wireformat: "mls_key_package", keyPackage: before });
  expect(epochOf((await alice.crypto.open(groupId, alice.leaf, encoded, now, anyone)).group)).toBe(1);
});

describe("a key package is refused", () => {
  const DAY = 86_400_000;

  it.each([
    ["before its lifetime", -2 * DAY],
    ["after its lifetime", 91 * DAY],
  ])("%s", async (_when, offset) => {
    const { alice, keyPackage } = await strangers();
    await expect(alice.crypto.open(groupId, alice.leaf, keyPackage.public, now + offset, anyone)).rejects.toThrow(
      "lifetime",
    );
  });

  it("if it lives for longer than we allow", async () => {
    const { alice, bob } = await strangers();
    const keyPackage = await newKeyPackage(bob.crypto, "bob", 1000);
    const encoded = encodeMlsMessage({ version: "mls10", wireformat: "mls_key_package", keyPackage });
    await expect(alice.crypto.open(groupId, alice.leaf, encoded, now, anyone)).rejects.toThrow(GroupError);
  });

  it("if it is our own, or of somebody else than expected", async () => {
    const { alice, bob, keyPackage } = await strangers();
    const own = await alice.crypto.makeKeyPackage(alice.leaf, now);
    await expect(alice.crypto.open(groupId, alice.leaf, own.public, now, anyone)).rejects.toThrow("own key package");
    const notBob: Authenticate = async (_credential, key) => !equal(key, bob.leaf.publicKey);
    await expect(alice.crypto.open(groupId, alice.leaf, keyPackage.public, now, notBob)).rejects.toThrow(GroupError);
  });

  it("if any byte was changed", async () => {
    const { alice, keyPackage } = await strangers();
    for (let at = 0; at < keyPackage.public.length; at += 41) {
      const changed = keyPackage.public.slice();
      changed[at]! ^= 1;
      await expect(alice.crypto.open(groupId, alice.leaf, changed, now, anyone)).rejects.toThrow(GroupError);
    }
  });
});

/** `to` refuses the message of `from`, and both go on as if it had never been. */
async function refused(to: Side, message: Uint8Array, from: Side): Promise<void> {
  const before = to.crypto.encode(to.group);
  await expect(to.crypto.decrypt(to.group, message)).rejects.toThrow(GroupError);
  expect(Buffer.from(to.crypto.encode(to.group)).equals(before)).toBe(true);
  expect(await receiveText(to, await send(from, "still here"))).toBe("still here");
  await receive(from, await send(to, "and back"));
}
