import type { Context } from "../context.ts";
import type { Answer } from "./session.ts";
import type { Login } from "../delivery/login.ts";

/** [P-7.1] */
export function listUsers({ hub }: Context, login: Login): Answer {
  return { type: "user_list", data: { users: hub.online().filter((username) => username !== login.username) } };
}
