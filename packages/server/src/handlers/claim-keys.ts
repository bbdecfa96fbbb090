import { type ClientFrameData, type RelayFrameData, toBase64 } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { type Answer, refuse, refused, type Session } from "./session.ts";
import type { Login } from "../delivery/login.ts";
import { deviceInfo } from "./device-info.ts";

/** Below this the owner is told to publish more. */
const LOW_STOCK = 5;

/** [P-8.2] */
export async function claimKeys(
  context: Context,
  session: Session,
  login: Login,
  data: ClientFrameData<"claim_keys">,
): Promise<Answer> {
  if (login.kind === "token") return refuse("token_account");
  if ("username" in data) {
    const claimed = await claim(context, session, login, data);
    return "data" in claimed ? claimed : { type: "keys", data: claimed };
  }
  // At once: one after another each would wait for the disk.
  const all = await Promise.all(data.usernames.map((username) => claim(context, session, login, { username })));
  const list: RelayFrameData<"key_list"> = { keys: [], refused: [] };
  for (const [at, claimed] of all.entries()) {
    if (!("data" in claimed)) list.keys.push(claimed);
    else {
      const { reason = "internal", retry_after_ms } = claimed.data;
      const username = data.usernames[at] ?? "";
      list.refused.push({ username, reason, ...(retry_after_ms === undefined ? {} : { retry_after_ms }) });
    }
  }
  return { type: "key_list", data: list };
}

async function claim(
  { store, hub, rates }: Context,
  session: Session,
  login: Login,
  { username, another }: { username: string; another?: boolean },
): Promise<RelayFrameData<"keys"> | ReturnType<typeof refuse>> {
  const retryAfterMs = rates.addressClaims.take(session.address);
  if (retryAfterMs > 0) return refuse("rate_limited", { retry_after_ms: retryAfterMs });
  const result = await store.claimKeys(login.mailbox, username, another === true);
  if ("refused" in result) return refused(result);
  const { account, keyPackage, lastResort, remaining } = result;
  if (remaining !== undefined && remaining < LOW_STOCK)
    void hub.hand(account.mailbox, { type: "keys_low", data: { remaining } });
  return {
    username: account.username,
    ...deviceInfo(account),
    key_package: toBase64(keyPackage),
    last_resort: lastResort,
  };
}
