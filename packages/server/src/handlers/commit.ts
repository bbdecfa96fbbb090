import type { ClientFrameData } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { ack, type Answer, refuse, refused } from "./session.ts";
import type { Login } from "../delivery/login.ts";

/** [P-6.3] */
export async function commit({ store }: Context, login: Login, data: ClientFrameData<"commit">): Promise<Answer> {
  const { commit_id } = data;
  if (login.kind === "token") return refuse("token_account", { commit_id });
  const result = await store.commit({
    sender: login.mailbox,
    commitId: commit_id,
    groupId: data.group_id,
    epoch: data.epoch,
    members: data.members,
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
  return ack({
    status: "committed",
    commit_id,
    high_water: result.highWater,
    delivered: result.listening,
  });
}
