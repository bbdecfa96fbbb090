import type { Context } from "../context.ts";
import type { Login } from "../delivery/login.ts";
import { type Answer, refuse } from "./session.ts";

/** So many that are listed cost as much as one frame more. [P-11.2] */
const TEAMS_A_FRAME = 64;

/** [P-6.12] */
export async function groups({ store, rates }: Context, login: Login): Promise<Answer> {
  if (login.kind === "token") return refuse("token_account");
  const teams = await store.teamsOf(login.mailbox);
  rates.frames.owe(login.name, Math.floor(teams.length / TEAMS_A_FRAME));
  const listed = teams.map(({ groupId, epoch, device, lapsed, leaves }) => {
    const group = { group_id: groupId, epoch, device, lapsed };
    return leaves ? Object.assign(group, { leaves: true as const }) : group;
  });
  return { type: "group_list", data: { groups: listed } };
}
