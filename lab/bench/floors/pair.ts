import { randomBytes } from "node:crypto";
import { GroupCrypto, nodeCryptoProvider } from "@aimessage/sdk/node";

const anyone = () => Promise.resolve(true);

type Group = Awaited<ReturnType<GroupCrypto["join"]>>;

/** Two members of one group in one process, by the MLS library alone. */
export async function openPair(): Promise<{ crypto: GroupCrypto; sending: Group; receiving: Group }> {
  const crypto = await GroupCrypto.load(nodeCryptoProvider);
  const now = Date.now();
  const [opener, joiner] = await Promise.all([newLeaf(crypto, "opener"), newLeaf(crypto, "joiner")]);
  const keyPackage = await crypto.makeKeyPackage(joiner, now);
  const opened = await crypto.open(randomBytes(32), opener, keyPackage.public, now, anyone);
  const receiving = await crypto.join(opened.welcome, keyPackage.secret, joiner, anyone);
  return { crypto, sending: opened.group, receiving };
}

async function newLeaf(crypto: GroupCrypto, name: string) {
  return { ...(await crypto.generateKeys()), certificate: new TextEncoder().encode(name) };
}
