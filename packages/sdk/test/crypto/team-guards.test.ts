/** What the MLS library lets through, or stops, and our guards against that. Each of these fails without its guard. */
import {
  type CiphersuiteImpl,
  createCommit,
  createProposal,
  decodeMlsMessage,
  emptyPskIndex,
  encodeMlsMessage,
  joinGroup,
  type PrivateMessage,
  processPrivateMessage,
} from "ts-mls";
import { decodeGroupSecrets, encodeGroupSecrets } from "ts-mls/groupSecrets.js";
import { encodeRatchetTree } from "ts-mls/ratchetTree.js";
import { describe, expect, it } from "vitest";
import { privatePackage, readKeyPackage } from "../../src/crypto/mls/key-package.ts";
import { sealTree } from "../../src/crypto/team/sealed-tree.ts";
import { stateOf } from "../../src/crypto/mls/state.ts";
import { utf8 } from "../../src/protocol/index.ts";
import {
  anyone,
  change,
  commit,
  cryptoOf,
  follow,
  hear,
  type Member,
  outsider,
  quickProvider,
  say,
  team,
} from "./team.ts";
import { add, lawless, remove, settings, suiteOf, trusting } from "./team-lawless.ts";

const crypto = await cryptoOf(quickProvider);
const suite = suiteOf(crypto);

describe("joining", () => {
  it("takes a tree with unmerged leaves below a node with a new key, which the library refuses", async () => {
    const members = await team(crypto, 7);
    for (const member of members.slice()) await change(crypto, members, member);
    await change(crypto, members, members[0]!, { joining: [await outsider(crypto, "first")] });
    await change(crypto, members, members[0]!);
    const second = await outsider(crypto, "second");
    const library = await lawless(crypto, members[0]!, {
      extraProposals: [add(readKeyPackage(second.keyPackage.public))],
    });
    const keys = privatePackage(second.keyPackage.secret, second.leaf);
    const byLibrary = joinGroup(
      library.welcome!,
      readKeyPackage(second.keyPackage.public),
      keys,
      emptyPskIndex,
      suite,
      library.newState.ratchetTree,
    );
    await expect(byLibrary).rejects.toThrow();
    const [joined] = await change(crypto, members, members[0]!, { joining: [second] });
    expect(crypto.teams.authenticator(joined!.group)).toEqual(crypto.teams.authenticator(members[3]!.group));
  });

  it("takes no path secret whose keys are not the tree's, and needs one where our leaf is merged", async () => {
    const members = await team(crypto, 4);
    await change(crypto, members, members[1]!);
    const late = await outsider(crypto, "late");
    for (const [wrong, error] of [
      [utf8("x".repeat(64)), "does not fit the tree"],
      [undefined, "is missing"],
    ] as const) {
      const forger = await withPathSecret(members[0]!, [late.keyPackage.public], (secret) => secret && wrong);
      const joining = crypto.teams.join(forger, late.keyPackage.secret, late.leaf, anyone);
      await expect(joining).rejects.toThrow(error);
    }
    const honest = await withPathSecret(members[0]!, [late.keyPackage.public], (secret) => secret);
    await crypto.teams.join(honest, late.keyPackage.secret, late.leaf, anyone);
  });

  it("takes no other tree, also if the Welcome is right", async () => {
    const members = await team(crypto, 3);
    const late = await outsider(crypto, "late");
    const made = await commit(crypto, members[0]!, { add: [late.keyPackage.public] });
    const { welcomes, tree } = made.invitation!;
    const again = await commit(crypto, members[0]!, { add: [late.keyPackage.public] });
    const joining = (other: Uint8Array) =>
      crypto.teams.join({ welcome: welcomes[0]!.welcome, tree: other }, late.keyPackage.secret, late.leaf, anyone);
    await expect(joining(again.invitation!.tree)).rejects.toThrow("another tree");
    for (const at of [0, 12, tree.length - 1]) {
      const changed = tree.slice();
      changed[at]! ^= 1;
      await expect(joining(changed)).rejects.toThrow("another tree");
    }
    await expect(joining(new Uint8Array())).rejects.toThrow("another tree");
    await joining(tree);
  });

  it("asks of each leaf whether its owner may be there", async () => {
    const members = await team(crypto, 3);
    const late = await outsider(crypto, "late");
    const made = await commit(crypto, members[0]!, { add: [late.keyPackage.public] });
    const { welcomes, tree } = made.invitation!;
    const not = (name: string) =>
      crypto.teams.join(
        { welcome: welcomes[0]!.welcome, tree },
        late.keyPackage.secret,
        late.leaf,
        async (certificate) => new TextDecoder().decode(certificate) !== name,
      );
    for (const name of ["m0", "m1", "m2", "late"]) await expect(not(name)).rejects.toThrow("certificate of a leaf");
    await not("nobody");
  });
});

/** A commit that removes the last member and adds another, whose Welcomes have another path secret. */
async function withPathSecret(
  by: Member,
  packages: Uint8Array[],
  change: (secret: Uint8Array | undefined) => Uint8Array | undefined,
): Promise<{ welcome: Uint8Array; tree: Uint8Array }> {
  const key = new Uint8Array(32).fill(1);
  const seal: CiphersuiteImpl["hpke"]["seal"] = async (to, plaintext, info, aad) => {
    if (!new TextDecoder().decode(info).includes("MLS 1.0 Welcome")) return suite.hpke.seal(to, plaintext, info, aad);
    const [secrets] = decodeGroupSecrets(plaintext, 0)!;
    const pathSecret = change(secrets.pathSecret);
    return suite.hpke.seal(to, encodeGroupSecrets({ ...secrets, pathSecret }), info, aad);
  };
  const state = trusting(by);
  const last = (state.ratchetTree.length - 1) / 2;
  const { welcome, newState } = await createCommit(
    { state, cipherSuite: { ...suite, hpke: { ...suite.hpke, seal } } },
    {
      extraProposals: [remove(last), ...packages.map((one) => add(readKeyPackage(one)))],
      groupInfoExtensions: [{ extensionType: 0xf0a1, extensionData: key }],
    },
  );
  const { groupId, epoch } = newState.groupContext;
  const place = { group: Buffer.from(groupId).toString("hex"), epoch: Number(epoch) };
  return {
    welcome: encodeMlsMessage({ version: "mls10", wireformat: "mls_welcome", welcome: welcome! }),
    tree: await sealTree(suite, encodeRatchetTree(newState.ratchetTree), { key }, place),
  };
}

describe("commits", () => {
  it("change settings alone, since the library makes others that nobody can follow", async () => {
    const members = await team(crypto, 4);
    await expect(commit(crypto, members[0]!, { settings: utf8("x"), remove: [3] })).rejects.toThrow("changed alone");
    const { bytes } = await lawless(crypto, members[0]!, { extraProposals: [remove(3), settings("x")] });
    expect((await follow(crypto, members[1]!, bytes)).kind).toBe("unusable");
  });

  it("tell a member that it is removed, also where its leaf goes to another", async () => {
    const members = await team(crypto, 4);
    const late = await outsider(crypto, "late");
    const { commit: bytes } = await commit(crypto, members[0]!, { remove: [2], add: [late.keyPackage.public] });
    const { privateMessage } = decodeMlsMessage(bytes, 0)![0] as { privateMessage: PrivateMessage };
    const byLibrary = processPrivateMessage(trusting(members[2]!), privateMessage, emptyPskIndex, suite);
    await expect(byLibrary).rejects.toThrow();
    expect((await follow(crypto, members[2]!, bytes)).kind).toBe("removed");
  });

  it("must bring the public keys of their secrets, which the library does not compare", async () => {
    const members = await team(crypto, 8);
    let made = 0;
    const deriveKeyPair = (material: Uint8Array) =>
      suite.hpke.deriveKeyPair(made++ === 1 ? utf8("y".repeat(64)) : material);
    const liar = { ...suite, hpke: { ...suite.hpke, deriveKeyPair } };
    const { bytes } = await lawless(crypto, members[0]!, {}, liar);
    const kinds = [];
    for (const member of members.slice(1)) {
      const group = member.group;
      kinds.push((await follow(crypto, member, bytes)).kind);
      if (kinds.at(-1) === "unusable") expect(member.group).toBe(group);
    }
    // The one whose path has that node sees it; for the others it is not theirs to see.
    expect(kinds[0]).toBe("unusable");
  });

  it("that are garbage for half of the members are unusable for these, whose state stays", async () => {
    const members = await team(crypto, 8);
    for (const member of members.slice()) await change(crypto, members, member);
    let sealed = 0;
    const seal: CiphersuiteImpl["hpke"]["seal"] = async (...input) => {
      const result = await suite.hpke.seal(...input);
      if (sealed++ % 2 === 1) result.ct[0]! ^= 1;
      return result;
    };
    const { bytes } = await lawless(crypto, members[0]!, {}, { ...suite, hpke: { ...suite.hpke, seal } });
    const kinds = new Set();
    for (const member of members.slice(1)) kinds.add((await follow(crypto, member, bytes)).kind);
    expect(kinds).toEqual(new Set(["applied", "unusable"]));
  });

  it("say if the leaf says something else than before: a name, or extensions that it does not know any more", async () => {
    const members = await team(crypto, 3);
    const state = trusting(members[0]!);
    const [own] = state.ratchetTree;
    if (own?.nodeType !== "leaf") throw new Error("no leaf");
    const { capabilities } = own.leaf;
    for (const leaf of [
      { ...own.leaf, credential: { credentialType: "basic" as const, identity: utf8("mallory") } },
      { ...own.leaf, capabilities: { ...capabilities, extensions: [] } },
    ]) {
      const changed = { ...state, ratchetTree: [{ nodeType: "leaf" as const, leaf }, ...state.ratchetTree.slice(1)] };
      const made = await createCommit({ state: changed, cipherSuite: suite });
      const { kind, commit } = await follow(crypto, members[1]!, encodeMlsMessage(made.commit), async () => "no");
      expect([kind, commit.path]).toEqual(["refused", "changed"]);
    }
  });

  it("tell proposals that are none of ours as others, and those by reference", async () => {
    const members = await team(crypto, 3);
    const custom = { proposalType: 0xf0aa, proposalData: utf8("x") };
    const { bytes } = await lawless(crypto, members[0]!, { extraProposals: [custom] });
    const told = await crypto.teams.describe(members[1]!.group, bytes);
    expect(told.proposals).toEqual([{ kind: "other" }]);
    const lone = await createProposal(trusting(members[0]!), false, remove(2), suite);
    const byReference = await createCommit({ state: lone.newState, cipherSuite: suite });
    const { proposals } = await crypto.teams.describe(members[1]!.group, encodeMlsMessage(byReference.commit));
    expect(proposals).toEqual([{ kind: "other" }]);
    await expect(hear(crypto, members[1]!, encodeMlsMessage(lone.message))).rejects.toThrow("not a message");
    await expect(follow(crypto, members[1]!, encodeMlsMessage(lone.message))).rejects.toThrow("not a commit");
  });
});

describe("messages", () => {
  it("have the sender whose ratchet has moved, and none comes in our own name", async () => {
    const members = await team(crypto, 5);
    const copy = { ...members[3]! };
    const message = await say(crypto, copy, "who am I");
    expect((await hear(crypto, members[1]!, message)).sender.index).toBe(3);
    await expect(hear(crypto, members[3]!, message)).rejects.toThrow("in our own name");
  });

  it("are read as far ahead as one may write in an epoch, and no further", async () => {
    const members = await team(crypto, 3);
    let last = await say(crypto, members[0]!, "0");
    for (let count = 1; count < 2_000; count++) last = await say(crypto, members[0]!, `${count}`);
    const beyond = await say(crypto, members[0]!, "2000");
    await expect(hear(crypto, members[1]!, beyond)).rejects.toThrow("does not decrypt");
    expect(new TextDecoder().decode((await hear(crypto, members[1]!, last)).plaintext)).toBe("1999");
  });
});

describe("a founding", () => {
  it("has a tree of keys, so that what follows is not twice as long", async () => {
    const members = await team(crypto, 16);
    const { ratchetTree } = stateOf(members[0]!.group);
    const above = [1, 3, 7, 15].map((node) => ratchetTree[node]?.nodeType);
    expect(above).toEqual(Array(4).fill("parent"));
  });
});
