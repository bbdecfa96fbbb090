import type { CryptoProvider } from "../../src/crypto/primitives.ts";
import type { KeyPackagePair, LeafKeys, Opened } from "../../src/crypto/mls/seam.ts";
import type { Group } from "../../src/crypto/mls/seam.ts";
import { GroupCrypto } from "../../src/crypto/mls/group.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { utf8 } from "../../src/protocol/index.ts";

/** One end of a conversation, with its present state. */
export interface Side {
  crypto: GroupCrypto;
  leaf: LeafKeys;
  group: Group;
}

export const groupId: Uint8Array = new Uint8Array(32).fill(7);
export const now: number = Date.now();
export const anyone = async (): Promise<boolean> => true;

export async function newLeaf(crypto: GroupCrypto, name: string): Promise<LeafKeys> {
  return { ...(await crypto.generateKeys()), certificate: utf8(name) };
}

export interface Opening {
  alice: Omit<Side, "group">;
  bob: Omit<Side, "group">;
  keyPackage: KeyPackagePair;
}

/** Alice and Bob, who has published a key package. */
export async function strangers(
  aliceProvider: CryptoProvider = nodeCryptoProvider,
  bobProvider: CryptoProvider = aliceProvider,
): Promise<Opening> {
  const [a, b] = [await GroupCrypto.load(aliceProvider), await GroupCrypto.load(bobProvider)];
  const alice = { crypto: a, leaf: await newLeaf(a, "alice") };
  const bob = { crypto: b, leaf: await newLeaf(b, "bob") };
  return { alice, bob, keyPackage: await b.makeKeyPackage(bob.leaf, now) };
}

/** Alice and Bob in a conversation that Alice has opened. */
export async function pair(
  aliceProvider: CryptoProvider = nodeCryptoProvider,
  bobProvider: CryptoProvider = aliceProvider,
): Promise<{ alice: Side; bob: Side }> {
  const { alice, bob, keyPackage } = await strangers(aliceProvider, bobProvider);
  const { group, welcome } = await alice.crypto.open(groupId, alice.leaf, keyPackage.public, now, anyone);
  return {
    alice: { ...alice, group },
    bob: { ...bob, group: await bob.crypto.join(welcome, keyPackage.secret, bob.leaf, anyone) },
  };
}

/** Encrypts, moves the sender's state on, and gives the ciphertext. */
export async function send(from: Side, text: string): Promise<Uint8Array> {
  const { group, message } = await from.crypto.encrypt(from.group, utf8(text), utf8("bound"));
  from.group = group;
  return message;
}

/** Decrypts and moves the receiver's state on. */
export async function receive(to: Side, message: Uint8Array): Promise<Opened> {
  const opened = await to.crypto.decrypt(to.group, message);
  to.group = opened.group;
  return opened;
}

export async function receiveText(to: Side, message: Uint8Array): Promise<string> {
  const opened = await receive(to, message);
  return opened.kind === "application" ? new TextDecoder().decode(opened.plaintext) : opened.kind;
}

/** `by` commits an Update, which the relay admits and `other` processes. */
export async function update(by: Side, other: Side): Promise<Uint8Array> {
  const { pending, commit } = await by.crypto.update(by.group);
  by.group = by.crypto.applyUpdate(by.group, pending);
  await receive(other, commit);
  return commit;
}
