import type { Context } from "../context.ts";
import type { Login } from "../delivery/login.ts";
import { type Answer, refuse } from "./session.ts";

/** [P-6.12] */
export async function groups({ store }: Context, login: Login): Promise<Answer> {
  if (login.kind === "token") return refuse("token_account");
  const teams = await store.teamsOf(login.mailbox);
  const listed = teams.map(({ groupId, epoch, device, lapsed }) => ({ group_id: groupId, epoch, device, lapsed }));
  return { type: "group_list", data: { groups: listed } };
}
