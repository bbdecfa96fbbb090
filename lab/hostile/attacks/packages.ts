import { randomBytes } from "node:crypto";
import { toBase64 } from "../../../packages/sdk/src/protocol/index.ts";
import { type Attack, besiege, crypto, type Foe, frames, pour } from "../foe.ts";

/** Of a credential, which nobody but a contact reads: so large that the package is as large as it may be. */
const CREDENTIAL_BYTES = 3_400;
const AT_ONCE = 40;

/** Accounts that publish as many and as large key packages as the relay takes, and are never heard of again. */
export const packages: Attack = (target, signal) => {
  // Made once for all: the relay knows them by their account, and the attacker's own work is little.
  let stock: Promise<string[]> | undefined;
  return besiege(target, { name: "stock", accounts: 30, from: ["127.0.1.6"] }, signal, async (socket, foe) => {
    const key_packages = await (stock ??= makeStock(foe));
    const publish = (id: string) => ({ type: "publish_keys", id, data: { key_packages } });
    await pour(socket, frames(publish), signal);
  });
};

async function makeStock({ device }: Foe): Promise<string[]> {
  const leaf = { ...device, certificate: randomBytes(CREDENTIAL_BYTES) };
  const stock: string[] = [];
  while (stock.length < AT_ONCE) stock.push(toBase64((await crypto.makeKeyPackage(leaf, Date.now())).public));
  return stock;
}
