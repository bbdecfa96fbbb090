import { type ClientFrameData, toBase64 } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { type Answer, refuse, refused, type Session } from "./session.ts";
import type { Login } from "../delivery/login.ts";
import { deviceInfo } from "./device-info.ts";

/** Below this the owner is told to publish more. */
const LOW_STOCK = 5;

/** [P-8.2] */
export async function claimKeys(
  { store, hub, rates }: Context,
  session: Session,
  login: Login,
  { username, another }: ClientFrameData<"claim_keys">,
): Promise<Answer> {
  if (login.kind === "token") return refuse("token_account");
  const retryAfterMs = rates.addressClaims.take(session.address);
  if (retryAfterMs > 0) return refuse("rate_limited", { retry_after_ms: retryAfterMs });
  const pair = `${login.name}/${username.toLowerCase()}`;
  const result = await store.claimKeys(login.mailbox, username, another === true, () => rates.claims.take(pair));
  if ("refused" in result) return refused(result);
  const { account, keyPackage, lastResort, remaining } = result;
  if (remaining !== undefined && remaining < LOW_STOCK)
    void hub.hand(account.mailbox, { type: "keys_low", data: { remaining } });
  return {
    type: "keys",
    data: {
      username: account.username,
      ...deviceInfo(account),
      key_package: toBase64(keyPackage),
      last_resort: lastResort,
    },
  };
}
