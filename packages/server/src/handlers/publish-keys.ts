import { type ClientFrameData, fromBase64 } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse, refused } from "./session.ts";
import type { Login } from "../delivery/login.ts";

/** [P-8.1] */
export async function publishKeys(
  { store }: Context,
  login: Login,
  data: ClientFrameData<"publish_keys">,
): Promise<Answer> {
  if (login.kind === "token") return refuse("token_account");
  const lastResort = data.last_resort === undefined ? undefined : fromBase64(data.last_resort);
  const packages = data.key_packages.map(fromBase64);
  const result = await store.publishKeys(login.mailbox, packages, lastResort, data.replace === true);
  if (typeof result !== "number") return refused(result);
  return ack({ status: "published", key_packages: result });
}
