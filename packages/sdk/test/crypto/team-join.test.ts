/** Joining a team by our own check of its tree, against RFC 9420's vectors and against trees that were changed. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  acceptAll,
  bytesToBase64,
  type CiphersuiteImpl,
  type ClientState,
  decodeMlsMessage,
  makePskIndex,
  type MLSMessage,
  processMessage,
  type RatchetTree,
} from "ts-mls";
import { defaultClientConfig } from "ts-mls/clientConfig.js";
import { getCiphersuiteFromId } from "ts-mls/crypto/ciphersuite.js";
import { treeHashRoot } from "ts-mls/treeHash.js";
import { describe, expect, it, test } from "vitest";
import { stateOf } from "../../src/crypto/mls/state.ts";
import { checkTree } from "../../src/crypto/mls/tree-check.ts";
import { joinFrom } from "../../src/crypto/mls/team-join.ts";
import { nodeCryptoProvider } from "../../src/node/provider.ts";
import { Random, seed } from "../random.ts";
import { anyone, change, type Crypto, cryptoOf, outsider, quickProvider, team } from "./team.ts";

interface Vector {
  cipher_suite: number;
  external_psks: { psk_id: string; psk: string }[];
  key_package: string;
  encryption_priv: string;
  init_priv: string;
  signature_priv: string;
  welcome: string;
  ratchet_tree: string | null;
  initial_epoch_authenticator: string;
  epochs: { proposals: string[]; commit: string; epoch_authenticator: string }[];
}

const FOLDER = process.env["MLS_VECTORS"] ?? fileURLToPath(new URL("../../../../../shared/vectors", import.meta.url));
// In those of handling commits each Welcome has a pre-shared key.
const names = ["welcome", "random"];
const fileOf = (name: string) => `${FOLDER}/passive-client-${name}.json`;
const missing = names.some((name) => !existsSync(fileOf(name)));
if (missing)
  process.stderr.write(
    "MLS vectors skipped: set MLS_VECTORS to a folder with passive-client-*.json of mls-implementations\n",
  );

const bytes = (text: string) => new Uint8Array(Buffer.from(text, "hex"));
const hex = (value: Uint8Array) => Buffer.from(value).toString("hex");
function decode<T extends MLSMessage["wireformat"]>(text: string, format: T): MLSMessage & { wireformat: T } {
  const message = decodeMlsMessage(bytes(text), 0)?.[0];
  if (message?.wireformat !== format) throw new Error("malformed vector");
  return message as MLSMessage & { wireformat: T };
}

/** Joins as a vector says, with a tree that may have been changed. */
async function joined(vector: Vector, change: (tree: Uint8Array) => Uint8Array = (tree) => tree) {
  const suite = (await nodeCryptoProvider.getCiphersuiteImpl(
    getCiphersuiteFromId(vector.cipher_suite as 1),
  )) as CiphersuiteImpl;
  const { state } = await joinFrom(suite, {
    welcome: decode(vector.welcome, "mls_welcome").welcome,
    keyPackage: decode(vector.key_package, "mls_key_package").keyPackage,
    keys: {
      initPrivateKey: bytes(vector.init_priv),
      hpkePrivateKey: bytes(vector.encryption_priv),
      signaturePrivateKey: bytes(vector.signature_priv),
    },
    authenticate: anyone,
    config: defaultClientConfig,
    treeOf: async ({ extensions }) => {
      const inside = extensions.find(({ extensionType }) => extensionType === "ratchet_tree");
      return change(vector.ratchet_tree === null ? inside!.extensionData : bytes(vector.ratchet_tree));
    },
  });
  return { state, suite };
}

describe.skipIf(missing)("RFC 9420's vectors of passive clients", () => {
  for (const name of names)
    test(
      `${name}: we join, and refuse each tree in which a byte is another one (seed ${seed})`,
      { tags: name === "random" ? ["long"] : [] },
      async () => {
        const random = new Random();
        const vectors = (JSON.parse(readFileSync(fileOf(name), "utf8")) as Vector[]).filter(({ cipher_suite }) =>
          [1, 2, 3, 7].includes(cipher_suite),
        );
        let joins = 0;
        for (const vector of vectors) {
          const first = await joined(vector).catch((error: unknown) => {
            // What we take has no pre-shared keys.
            if (!String(error).includes("Welcome with a pre-shared key")) throw error;
          });
          if (first === undefined) continue;
          let { state } = first;
          joins++;
          expect(hex(state.keySchedule.epochAuthenticator)).toBe(vector.initial_epoch_authenticator);
          for (let round = 0; round < 2; round++) {
            const changed = joined(vector, (tree) => {
              const other = tree.slice();
              other[random.int(other.length)]! ^= 1 + random.int(255);
              return other;
            });
            await expect(changed).rejects.toThrow();
          }
          const psks = Object.fromEntries(
            vector.external_psks.map(({ psk_id, psk }) => [bytesToBase64(bytes(psk_id)), bytes(psk)]),
          );
          for (const epoch of vector.epochs) {
            for (const text of [...epoch.proposals, epoch.commit]) {
              const message = decodeMlsMessage(bytes(text), 0)![0] as Parameters<typeof processMessage>[0];
              state = (await processMessage(message, state, makePskIndex(state, psks), acceptAll, first.suite))
                .newState;
            }
            expect(hex(state.keySchedule.epochAuthenticator)).toBe(epoch.epoch_authenticator);
          }
        }
        expect(joins).toBe({ welcome: 16, random: 1 }[name]);
      },
    );
});

const other = (value: Uint8Array) => value.map((byte, at) => (at === 0 ? byte ^ 1 : byte));

/** The group of one of 16 members, of whom three are unmerged in the right half; at first in the root, too. */
async function half(): Promise<{ crypto: Crypto; suite: CiphersuiteImpl; states: ClientState[] }> {
  const crypto = await cryptoOf(quickProvider);
  const members = await team(crypto, 13);
  for (const member of members.slice()) await change(crypto, members, member);
  const joining = await Promise.all(["a", "b", "c"].map((name) => outsider(crypto, name)));
  await change(crypto, members, members[2]!, { joining });
  const first = stateOf(members[0]!.group);
  await change(crypto, members, members[0]!);
  const suite = crypto.teams.primitives as CiphersuiteImpl;
  return { crypto, suite, states: [first, stateOf(members[0]!.group)] };
}

describe("a tree that its signer has made so, with the right hash", () => {
  type Node = NonNullable<RatchetTree[number]>;
  type Parent = Extract<Node, { nodeType: "parent" }>["parent"];
  type Leaf = Extract<Node, { nodeType: "leaf" }>["leaf"];
  const atParent =
    (change: (parent: Parent, node: number) => Partial<Parent> | undefined) => (found: Node, node: number) => {
      const changed = found.nodeType === "parent" ? change(found.parent, node) : undefined;
      return changed && { ...found, parent: { ...(found as { parent: Parent }).parent, ...changed } };
    };
  const atLeaf = (change: (leaf: Leaf) => Partial<Leaf>) => (found: Node) =>
    found.nodeType === "leaf" ? { ...found, leaf: { ...found.leaf, ...change(found.leaf) } as Leaf } : undefined;

  const lies: Record<string, (found: Node, node: number) => Node | undefined> = {
    "another key of a parent": atParent(({ hpkePublicKey }) => ({ hpkePublicKey: other(hpkePublicKey) })),
    "another parent hash of a parent": atParent(({ parentHash }) =>
      parentHash.length === 0 ? undefined : { parentHash: other(parentHash) },
    ),
    "no unmerged leaves": atParent(({ unmergedLeaves }) =>
      unmergedLeaves.length === 0 ? undefined : { unmergedLeaves: unmergedLeaves.slice(1) },
    ),
    "unmerged leaves in another order": atParent(({ unmergedLeaves }) =>
      unmergedLeaves.length < 2 ? undefined : { unmergedLeaves: unmergedLeaves.toReversed() },
    ),
    "one more unmerged leaf, from below": atParent(({ unmergedLeaves }, node) => {
      const leaf = (node - 1) / 2;
      return unmergedLeaves.includes(leaf)
        ? undefined
        : { unmergedLeaves: [...unmergedLeaves, leaf].sort((a, b) => a - b) };
    }),
    "one more unmerged leaf, from elsewhere": atParent((_, node) => (node > 15 ? { unmergedLeaves: [0] } : undefined)),
    "another key of a leaf": atLeaf(({ hpkePublicKey }) => ({ hpkePublicKey: other(hpkePublicKey) })),
    "another signature of a leaf": atLeaf(({ signature }) => ({ signature: other(signature) })),
    "another certificate in a leaf": atLeaf(() => ({ credential: { credentialType: "basic", identity: bytes("00") } })),
    "a leaf that does not know the settings": atLeaf(({ capabilities }) => ({
      capabilities: { ...capabilities, extensions: [] },
    })),
  };

  const made = half();

  async function check(tree: RatchetTree, { groupContext }: ClientState): Promise<void> {
    const { suite } = await made;
    const treeHash = await treeHashRoot(tree, suite.hash);
    await checkTree(tree, { context: { ...groupContext, treeHash }, suite, authenticate: anyone });
  }

  it.each(Object.keys(lies))("is refused: %s", async (name) => {
    for (const state of (await made).states) {
      const { ratchetTree } = state;
      await check(ratchetTree, state);
      let count = 0;
      for (const [node, found] of ratchetTree.entries()) {
        const changed = found && lies[name]!(found, node);
        if (changed === undefined) continue;
        await expect(check(ratchetTree.with(node, changed), state), `node ${node}`).rejects.toThrow("tree: ");
        count++;
      }
      expect(count).toBeGreaterThan(0);
    }
  });

  it("is refused where no node tells of a leaf that it is unmerged", async () => {
    const state = (await made).states[0]!;
    const told = atParent(({ unmergedLeaves }) => ({ unmergedLeaves: unmergedLeaves.filter((leaf) => leaf !== 13) }));
    const tree = state.ratchetTree.map((found, node) => found && (told(found, node) ?? found));
    await expect(check(tree, state)).rejects.toThrow("a parent hash is wrong");
  });

  it("is refused where a leaf is unmerged that is blank", async () => {
    const { crypto } = await made;
    const members = await team(crypto, 3);
    await change(crypto, members, members[0]!);
    const state = stateOf(members[0]!.group);
    await check(state.ratchetTree, state);
    const lie = atParent((_, node) => (node === 3 ? { unmergedLeaves: [3] } : undefined));
    const tree = state.ratchetTree.with(3, lie(state.ratchetTree[3]!, 3));
    await expect(check(tree, state)).rejects.toThrow("an unmerged leaf is not below");
  });

  it("is refused where a key, a leaf or a parent stands in another place", async () => {
    const { crypto, suite } = await made;
    const members = await team(crypto, 5);
    for (const member of members.slice()) await change(crypto, members, member);
    const { ratchetTree, groupContext } = stateOf(members[0]!.group);
    const places = ratchetTree.flatMap((found, node) => (found === undefined ? [] : [node]));
    for (const a of places)
      for (const b of places.filter((node) => node > a)) {
        for (const tree of [
          ratchetTree.with(a, ratchetTree[b]).with(b, ratchetTree[a]),
          ratchetTree.with(a, ratchetTree[b]),
        ]) {
          const treeHash = await treeHashRoot(tree, suite.hash).catch(() => groupContext.treeHash);
          const given = { context: { ...groupContext, treeHash }, suite, authenticate: anyone };
          await expect(checkTree(tree, given), `${a} and ${b}`).rejects.toThrow("tree: ");
        }
      }
  });
});
