import type { ClientFrameData } from "@aimessage/sdk/protocol";
import { isAsSaid } from "../blobs/reference.ts";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse, refused } from "./session.ts";
import type { Login } from "../delivery/login.ts";

/** [P-6.3] [P-6.10] */
export async function commit(
  { store, blobs, rates }: Context,
  login: Login,
  data: ClientFrameData<"commit">,
): Promise<Answer> {
  const { commit_id } = data;
  if (login.kind === "token") return refuse("token_account", { commit_id });
  const { add = [], remove = [], body, tree } = data;
  const wait = data.team === true ? rates.groupCommits.take(login.name) : 0;
  if (wait > 0) return refuse("rate_limited", { retry_after_ms: wait, commit_id });
  // The store is asked in any case: of a repeat the files may be gone, since everybody has what they were for.
  let areAsSaid = true;
  for (const said of data.team === true ? [body, tree] : [])
    areAsSaid &&= typeof said !== "object" || (await isAsSaid(blobs, login.name, said));
  const result = await store.commit({
    sender: login.mailbox,
    commitId: commit_id,
    groupId: data.group_id,
    epoch: data.epoch,
    members: data.members,
    isAsSaid: areAsSaid,
    team: data.team === true ? { add, remove, body, tree } : undefined,
    commit: data.commit,
    welcomes: data.welcomes ?? [],
    messages: (data.messages ?? []).map((message) => ({
      to: message.to,
      message: message.message,
      messageId: message.message_id,
      expiresAt: message.expires_at,
    })),
  });
  if ("refused" in result) return refused(result, { commit_id });
  const { highWater, listening, lapsed = [] } = result;
  return ack({
    status: "committed",
    commit_id,
    high_water: highWater,
    delivered: listening,
    ...(lapsed.length > 0 ? { lapsed } : {}),
  });
}
