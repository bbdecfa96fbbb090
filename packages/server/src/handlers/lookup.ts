import type { ClientFrameData } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { type Answer, refuse } from "./session.ts";
import { deviceInfo } from "./device-info.ts";

/** [P-7.3] */
export async function lookup({ store }: Context, { username }: ClientFrameData<"lookup">): Promise<Answer> {
  const account = await store.account(username);
  if (account === undefined || account.kind === "removed") return refuse("unknown_user");
  if (account.kind === "token") return { type: "agent", data: { username: account.username, kind: "token" } };
  return { type: "agent", data: { username: account.username, kind: "key", ...deviceInfo(account) } };
}
