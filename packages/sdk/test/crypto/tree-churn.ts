/**
 * A tree in which anything happens, with cryptography in name only. Whoever sees a tree has all keys of it then, so each of its members
 * can act or follow without having followed all that came before: a step costs a few of them, and not all.
 */
import type { CiphersuiteImpl, ClientState, RatchetTree } from "ts-mls";
import { validateRatchetTree } from "ts-mls/clientState.js";
import { decodeRatchetTree, encodeRatchetTree } from "ts-mls/ratchetTree.js";
import { treeHashRoot } from "ts-mls/treeHash.js";
import { expect } from "vitest";
import type { Group } from "../../src/crypto/mls/seam.ts";
import { stateOf } from "../../src/crypto/mls/state.ts";
import type { Change, OwnCommit } from "../../src/crypto/mls/team-seam.ts";
import { checkTree } from "../../src/crypto/mls/tree-check.ts";
import { ancestorsOf, leafAt, parentAt } from "../../src/crypto/mls/tree-shape.ts";
import { equal, utf8 } from "../../src/protocol/index.ts";
import type { Random } from "../random.ts";
import { otherKey, stubProvider } from "./stub-provider.ts";
import { anyone, commit, type Crypto, cryptoOf, follow, join, now, type Outsider, outsider } from "./team.ts";

type Kind = "update" | "add" | "remove" | "swap" | "several" | "settings";

const KINDS: Kind[] = ["update", "update", "update", "add", "add", "remove", "remove", "swap", "several", "settings"];

/** What has happened, and how often. */
export type TreeCounts = Map<string, number>;

export class TreeChurn {
  readonly #crypto: Crypto;
  readonly #suite: CiphersuiteImpl;
  readonly #random: Random;
  readonly #counts: TreeCounts;
  readonly #most: number;
  /** A few of all, so that in some groups nobody is removed, or keys stay for long. */
  readonly #kinds: Kind[];
  /** As some member holds it: which one it is says who has made, followed or joined it last. */
  #group: Group;
  #next = 0;

  private constructor(crypto: Crypto, given: { random: Random; counts: TreeCounts; most: number }, group: Group) {
    const { random, counts, most } = given;
    this.#crypto = crypto;
    this.#suite = crypto.teams.primitives as CiphersuiteImpl;
    this.#random = random;
    this.#counts = counts;
    this.#most = most;
    this.#kinds = Array.from({ length: 6 }, () => KINDS[random.int(KINDS.length)]!);
    this.#group = group;
  }

  /** A group that never has more than so many members. */
  static async found(random: Random, counts: TreeCounts, most: number): Promise<TreeChurn> {
    const crypto = await cryptoOf(stubProvider(random));
    const all: Outsider[] = [];
    for (let index = 0; index < 2 + random.int(most - 1); index++) all.push(await outsider(crypto, `founder-${index}`));
    const [first, ...others] = all;
    const { group } = await crypto.teams.found({
      groupId: random.bytes(16),
      leaf: first!.leaf,
      settings: utf8("settings"),
      members: others.map(({ keyPackage }) => keyPackage.public),
      now,
      authenticate: anyone,
    });
    return new TreeChurn(crypto, { random, counts, most }, group);
  }

  #count(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
  }

  async step(): Promise<void> {
    const kind = this.#kinds[this.#random.int(this.#kinds.length)]!;
    const present = this.#crypto.teams.leaves(this.#group).map(({ index }) => index);
    const by = present[this.#random.int(present.length)]!;
    const others = this.#shuffled(present.filter((leaf) => leaf !== by));
    const remove = others.slice(0, this.#leaving(kind, others.length));
    const joining: Outsider[] = [];
    const room = this.#most - present.length + remove.length;
    for (let left = Math.min(room, this.#coming(kind)); left > 0; left--)
      joining.push(await outsider(this.#crypto, `${this.#next++}`));
    const add = joining.map(({ keyPackage }) => keyPackage.public);
    const change: Change = kind === "settings" ? { settings: utf8(`settings ${this.#next++}`) } : { remove, add };
    this.#count(kind);
    const before = this.#group;
    const made = await commit(this.#crypto, { ...nobody, group: this.#as(by) }, change);
    const stayed = others.slice(remove.length);
    // All of them once in a while, else one of four times somebody.
    const isRollCall = this.#random.int(200) === 0;
    const heard = isRollCall ? stayed : stayed.slice(0, this.#random.int(4) === 0 ? 1 : 0);
    const after = [made.pending];
    for (const leaf of heard) after.push(await this.#followed(before, leaf, made));
    for (const who of joining) after.push(await this.#joined(who, made));
    const [authenticator, ...rest] = after.map((group) => this.#crypto.teams.authenticator(group));
    for (const other of rest) expect(equal(other, authenticator!)).toBe(true);
    // Whatever one of them has made of it wrongly, the next ones stumble over it.
    this.#group = after[this.#random.int(after.length)]!;
  }

  #leaving(kind: Kind, most: number): number {
    if (kind === "several") return this.#random.int(Math.min(most, 4));
    return kind === "swap" ? 1 : kind === "remove" && most > 1 ? 1 + this.#random.int(Math.min(most - 1, 2)) : 0;
  }

  #coming(kind: Kind): number {
    return kind === "several" ? 1 + this.#random.int(3) : kind === "swap" || kind === "add" ? 1 : 0;
  }

  #shuffled(leaves: number[]): number[] {
    for (let last = leaves.length - 1; last > 0; last--) {
      const at = this.#random.int(last + 1);
      [leaves[at], leaves[last]] = [leaves[last]!, leaves[at]!];
    }
    return leaves;
  }

  /** The group as one of its members holds it. */
  #as(leaf: number, group: Group = this.#group): Group {
    const state = stateOf(group);
    const { ratchetTree: tree } = state;
    const own = leafAt(tree, 2 * leaf)!;
    const privateKeys: Record<number, Uint8Array> = { [2 * leaf]: otherKey(own.hpkePublicKey) };
    for (const node of ancestorsOf(2 * leaf, tree.length)) {
      const parent = parentAt(tree, node);
      if (parent?.unmergedLeaves.includes(leaf) === false) privateKeys[node] = otherKey(parent.hpkePublicKey);
    }
    const signaturePrivateKey = otherKey(own.signaturePublicKey);
    return { state: { ...state, privatePath: { leafIndex: leaf, privateKeys }, signaturePrivateKey } };
  }

  /** The group of somebody who has followed a commit. It has the keys that are its own, and no others. */
  async #followed(before: Group, leaf: number, made: OwnCommit): Promise<Group> {
    const who = { ...nobody, group: this.#as(leaf, before) };
    const { kind } = await follow(this.#crypto, who, made.commit);
    if (kind !== "applied") throw new Error(`the commit is ${kind} at leaf ${leaf}`);
    expect(stateOf(who.group).privatePath).toEqual(stateOf(this.#as(leaf, made.pending)).privatePath);
    this.#count("followed");
    return who.group;
  }

  async #joined(who: Outsider, { pending, invitation }: OwnCommit): Promise<Group> {
    const { group } = await join(this.#crypto, who, invitation!);
    const state = stateOf(group);
    expect(state.privatePath).toEqual(stateOf(this.#as(state.privatePath.leafIndex, pending)).privatePath);
    this.#count("joins");
    if (this.#random.int(10) === 0) await this.#lies(who, invitation!, state);
    return group;
  }

  /** Trees of which one byte is another one are refused, also by whoever is told that it is theirs. */
  async #lies(who: Outsider, invitation: NonNullable<OwnCommit["invitation"]>, state: ClientState): Promise<void> {
    const { ratchetTree, groupContext, clientConfig } = state;
    const { lifetimeConfig, authService } = clientConfig;
    const { treeHash } = groupContext;
    this.#count("trees looked at closely");
    if (await validateRatchetTree(ratchetTree, groupContext, lifetimeConfig, authService, treeHash, this.#suite))
      this.#count("trees that the library would not have taken");
    const sealed = invitation.tree.slice();
    sealed[this.#random.int(sealed.length)]! ^= 1 + this.#random.int(255);
    await expect(join(this.#crypto, who, { ...invitation, tree: sealed })).rejects.toThrow();
    const right = encodeRatchetTree(state.ratchetTree);
    const bytes = right.slice();
    bytes[this.#random.int(bytes.length)]! ^= 1 + this.#random.int(255);
    const tree = treeOf(bytes);
    if (tree === undefined) this.#count("changed trees that are none");
    else await this.#refused(tree, state);
    const places = state.ratchetTree.flatMap((node, index) => (node === undefined ? [] : [index]));
    const [a, b] = [places[this.#random.int(places.length)]!, places[this.#random.int(places.length)]!];
    if (a !== b) await this.#refused(state.ratchetTree.with(a, state.ratchetTree[b]), state);
  }

  async #refused(tree: RatchetTree, { groupContext }: ClientState): Promise<void> {
    const treeHash = await treeHashRoot(tree, this.#suite.hash).catch(() => groupContext.treeHash);
    const given = { context: { ...groupContext, treeHash }, suite: this.#suite, authenticate: anyone };
    await expect(checkTree(tree, given)).rejects.toThrow("tree: ");
    this.#count("changed trees with their hash refused");
  }
}

/** The tree that is encoded so, if one is. */
function treeOf(bytes: Uint8Array): RatchetTree | undefined {
  try {
    const [tree] = decodeRatchetTree(bytes, 0) ?? [];
    return tree !== undefined && equal(encodeRatchetTree(tree), bytes) ? tree : undefined;
  } catch {
    return undefined;
  }
}

/** What a member is called, and its keys, matter to nobody who acts in the name of all. */
const nobody = { name: "anyone" } as Outsider;
