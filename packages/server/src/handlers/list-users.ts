import type { Context } from "../context.ts";
import type { Answer } from "./session.ts";
import type { Login } from "../delivery/login.ts";

/** [P-7.1] */
export async function listUsers({ store }: Context, login: Login): Promise<Answer> {
  const users = await store.online();
  return { type: "user_list", data: { users: users.filter((username) => username !== login.username) } };
}
