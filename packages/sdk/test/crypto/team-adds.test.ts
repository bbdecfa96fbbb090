/** Leaves that a commit adds, at which the library does not look, and which would let nobody join any more. */
import { type CiphersuiteImpl, generateKeyPackageWithKey, type KeyPackage } from "ts-mls";
import { expect, it } from "vitest";
import { stateOf } from "../../src/crypto/mls/state.ts";
import { utf8 } from "../../src/protocol/index.ts";
import { cryptoOf, follow, now, quickProvider, team } from "./team.ts";
import { add, lawless, suiteOf } from "./team-lawless.ts";

const crypto = await cryptoOf(quickProvider);
const suite = suiteOf(crypto);

/** A key package whose keys or capabilities are others than ours would be. */
async function oddPackage(by: CiphersuiteImpl, credentials: ("basic" | "x509")[] = ["basic"]): Promise<KeyPackage> {
  const seconds = BigInt(Math.floor(now / 1000));
  const { publicPackage } = await generateKeyPackageWithKey(
    { credentialType: "basic", identity: utf8("odd") },
    { versions: ["mls10"], ciphersuites: [suite.name], extensions: [0xf0a1], proposals: [], credentials },
    { notBefore: seconds - 60n, notAfter: seconds + 86_400n },
    [],
    await suite.signature.keygen(),
    by,
  );
  return publicPackage;
}

it("an encryption key that the tree has already is not added", async () => {
  const members = await team(crypto, 3);
  const [, , taken] = stateOf(members[1]!.group).ratchetTree;
  if (taken?.nodeType !== "leaf") throw new Error("no leaf");
  let exported = 0;
  const exportPublicKey: CiphersuiteImpl["hpke"]["exportPublicKey"] = async (key) =>
    // The first one that a package exports is its leaf's.
    ++exported === 1 ? taken.leaf.hpkePublicKey : suite.hpke.exportPublicKey(key);
  const copied = await oddPackage({ ...suite, hpke: { ...suite.hpke, exportPublicKey } });
  expect(copied.leafNode.hpkePublicKey).toEqual(taken.leaf.hpkePublicKey);
  const { bytes } = await lawless(crypto, members[0]!, { extraProposals: [add(copied)] });
  const followed = await follow(crypto, members[2]!, bytes);
  expect(followed).toMatchObject({ kind: "unusable", cause: { message: "tree: a key stands there twice" } });
});

it("nor one key twice in a commit", async () => {
  const members = await team(crypto, 3);
  const first = await oddPackage(suite);
  let exported = 0;
  const exportPublicKey: CiphersuiteImpl["hpke"]["exportPublicKey"] = async (key) =>
    ++exported === 1 ? first.leafNode.hpkePublicKey : suite.hpke.exportPublicKey(key);
  const second = await oddPackage({ ...suite, hpke: { ...suite.hpke, exportPublicKey } });
  const { bytes } = await lawless(crypto, members[0]!, { extraProposals: [add(first), add(second)] });
  expect((await follow(crypto, members[1]!, bytes)).kind).toBe("unusable");
});

it("nor a leaf that does not know the others' kind of credentials", async () => {
  const members = await team(crypto, 3);
  const { bytes } = await lawless(crypto, members[0]!, { extraProposals: [add(await oddPackage(suite, ["x509"]))] });
  const followed = await follow(crypto, members[1]!, bytes);
  expect(followed).toMatchObject({ kind: "unusable", cause: { message: /does not know a credential/ } });
});
