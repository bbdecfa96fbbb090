import { randomBytes } from "node:crypto";
import { toBase64 } from "../../packages/sdk/src/protocol/index.ts";
import { type Attack, crypto, enlist, frames, login, persist, pour } from "../foe.ts";

const ACCOUNTS = 30;
/** Of a credential, which nobody but a contact reads: so large that the package is as large as it may be. */
const CREDENTIAL_BYTES = 9_000;
const AT_ONCE = 40;

/** Accounts that publish as many and as large key packages as the relay takes, and are never heard of again. */
export const packages: Attack = async (target, signal) => {
  await Promise.all(
    Array.from({ length: ACCOUNTS }, async (_, index) => {
      const foe = await enlist(target, `stock-${target.run}-${index}`, "127.0.1.6", signal);
      const leaf = { ...foe.device, certificate: randomBytes(CREDENTIAL_BYTES) };
      const made: string[] = [];
      for (let count = 0; count < AT_ONCE; count++)
        made.push(toBase64((await crypto.makeKeyPackage(leaf, Date.now())).public));
      await persist(signal, async () => {
        const socket = await login(target, foe);
        await pour(
          socket,
          frames((id) => ({ type: "publish_keys", id, data: { key_packages: made } })),
          signal,
        );
        await socket.close();
      });
    }),
  );
};
