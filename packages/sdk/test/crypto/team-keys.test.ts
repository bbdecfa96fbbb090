/** The shape of a team's tree, and our private keys of it: all that we must have, and no others. */
import type { RatchetTree } from "ts-mls";
import { describe, expect, it } from "vitest";
import { stateOf } from "../../src/crypto/mls/state.ts";
import { ancestorsOf, checkShape, childrenOf, resolutionOf } from "../../src/crypto/mls/tree-shape.ts";
import { change, cryptoOf, type Member, outsider, quickProvider, team } from "./team.ts";

const crypto = await cryptoOf(quickProvider);

const sorted = (nodes: number[]) => nodes.sort((a, b) => a - b);

/** The nodes of which a member has private keys, and those of its path that it must know. */
function keysOf({ group }: Member): { has: number[]; knows: number[] } {
  const { ratchetTree, privatePath } = stateOf(group);
  const own = 2 * privatePath.leafIndex;
  const above = ancestorsOf(own, ratchetTree.length).filter((node) => {
    const found = ratchetTree[node];
    return found?.nodeType === "parent" && !found.parent.unmergedLeaves.includes(privatePath.leafIndex);
  });
  return { has: sorted(Object.keys(privatePath.privateKeys).map(Number)), knows: sorted([own, ...above]) };
}

it("a member has the keys of its path, and deletes those of nodes that are blank", async () => {
  const members = await team(crypto, 9);
  for (const member of members.slice()) await change(crypto, members, member);
  const before = keysOf(members[7]!).has;
  await change(crypto, members, members[0]!, { remove: [6] });
  for (const member of members) expect(keysOf(member).has).toEqual(keysOf(member).knows);
  const seventh = members.find(({ name }) => name === "m7");
  expect(keysOf(seventh!).has.length).toBeLessThan(before.length);
  // The tree becomes smaller, and larger again.
  await change(crypto, members, members[0]!, { remove: [8] });
  expect(crypto.teams.width(members[0]!.group)).toBe(8);
  const joining = await Promise.all(["a", "b", "c"].map((name) => outsider(crypto, name)));
  await change(crypto, members, members[1]!, { joining });
  for (const member of members) expect(keysOf(member).has).toEqual(keysOf(member).knows);
});

it("places in trees are those of RFC 9420, appendix C", () => {
  expect(ancestorsOf(0, 1)).toEqual([]);
  expect(ancestorsOf(0, 15)).toEqual([1, 3, 7]);
  expect(ancestorsOf(10, 15)).toEqual([9, 11, 7]);
  expect(ancestorsOf(14, 15)).toEqual([13, 11, 7]);
  expect([7, 11, 3, 1, 13].map((node) => childrenOf(node))).toEqual([
    [3, 11],
    [9, 13],
    [1, 5],
    [0, 2],
    [12, 14],
  ]);
  expect(resolutionOf(Array.from({ length: 7 }), 3)).toEqual([]);
});

const key = (first: number) => new Uint8Array(32).fill(first);

describe("the shape of a tree", () => {
  type Node = NonNullable<RatchetTree[number]>;
  const leaf = (first: number) =>
    ({ nodeType: "leaf", leaf: { hpkePublicKey: key(first), signaturePublicKey: key(first) } }) as Node;
  const parent = (first: number, ...unmergedLeaves: number[]) =>
    ({ nodeType: "parent", parent: { hpkePublicKey: key(first), unmergedLeaves } }) as Node;
  /** Of four leaves, the last of which is new. */
  const tree: RatchetTree = [leaf(0), parent(1), leaf(2), parent(3, 3), leaf(4), parent(5, 3), leaf(6)];

  it("is right as it is", () => {
    checkShape(tree);
    checkShape(tree.with(5, undefined));
  });

  it.each<[string, string, RatchetTree]>([
    ["a parent at the place of a leaf", "is no leaf", tree.with(4, parent(4))],
    ["a leaf at the place of a parent", "is no leaf", tree.with(5, leaf(5))],
    ["an unmerged leaf that is blank", "not below", tree.with(6, undefined)],
    ["an unmerged leaf that is elsewhere", "not below", tree.with(1, parent(1, 3))],
    ["unmerged leaves in another order", "out of order", tree.with(3, parent(3, 3, 2))],
    ["an unmerged leaf twice", "out of order", tree.with(3, parent(3, 3, 3))],
    ["an unmerged leaf that a node between does not know", "does not know", tree.with(5, parent(5))],
    ["a key twice", "twice", tree.with(5, parent(1, 3))],
    ["a leaf twice", "twice", tree.with(4, leaf(0))],
  ])("is none with %s", (_name, error, wrong) => {
    expect(() => checkShape(wrong)).toThrow(error);
  });
});
