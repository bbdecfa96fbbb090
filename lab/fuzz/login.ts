import type { RelayFrame } from "@aimessage/sdk/protocol";
import { keyOf, seal } from "../../packages/server/test/raw-client.ts";
import type { Connection } from "./connection.ts";
import type { Known, User } from "./known.ts";
import { Violation } from "./violation.ts";

/** Attempts: other connections of the account may log in, replace the device or remove the account meanwhile. */
const ATTEMPTS = 20;
const GONE = new Set(["invalid_credentials", "challenge_response"]);

/** Logs a new connection in, and registers the account first if it is new. @returns whether it is logged in */
export async function logIn(connection: Connection, known: Known, pick: number): Promise<boolean> {
  let answer: RelayFrame | undefined;
  for (let attempt = 0; attempt < ATTEMPTS && connection.isOpen; attempt++) {
    const user = known.user(pick);
    await (user.registering ??= register(connection, known, user));
    if (!user.registered) continue;
    answer = user.agent === undefined ? await byToken(connection, user) : await byDevice(connection, user);
    if (answer?.type === "ack") return true;
    connection.user = undefined;
    connection.device = undefined;
    if (answer?.type !== "error") continue;
    if (answer.data.reason === "device_replaced") known.replaced(user);
    // The answer to `unregister` need not have arrived, and its name may be somebody else's by now.
    if (GONE.has(answer.data.reason) && user.leaving) known.removed(user, false);
  }
  if (!connection.isOpen) return false;
  throw new Violation(`${known.user(pick).name} cannot log in: ${JSON.stringify(answer)}`);
}

async function register(connection: Connection, known: Known, user: User): Promise<void> {
  const data = user.agent?.registration() ?? { username: user.name };
  const answer = await connection.ask("register", data, "register");
  if (answer?.type === "registered") {
    const { token, salt } = answer.data;
    if (token !== undefined && salt !== undefined)
      user.token = { username: user.name, key: await keyOf({ token, salt }) };
    user.registered = true;
  } else if (answer === undefined) user.registering = undefined;
  // A mutated frame may have taken the name.
  else known.removed(user, false);
}

async function byToken(connection: Connection, user: User): Promise<RelayFrame | undefined> {
  const asked = await connection.ask("authenticate", { username: user.name }, "authenticate");
  if (asked?.type !== "challenge" || user.token === undefined) return asked;
  // What has waited comes before the answer. [P-5.4]
  connection.user = user;
  const challenge = seal(user.token.key, asked.data.challenge);
  return connection.ask("authenticate", { username: user.name, challenge }, "authenticate");
}

async function byDevice(connection: Connection, user: User): Promise<RelayFrame | undefined> {
  const { agent } = user;
  if (agent === undefined) return undefined;
  const { username, deviceId: device, relay } = agent;
  const asked = await connection.ask("authenticate", { username, device, relay }, "authenticate");
  if (asked?.type !== "challenge") return asked;
  connection.user = user;
  connection.device = device;
  return connection.ask("authenticate", agent.answer(asked.data.challenge), "authenticate");
}
