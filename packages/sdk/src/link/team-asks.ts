/** What the relay is asked for changes of teams, beside the turns. */
import type { ChangeAnswer, Need } from "../delivery/team-needs.ts";
import { AgentError } from "../errors.ts";
import type { RelayFrameData } from "../protocol/index.ts";
import type { Connection } from "../wire/connection.ts";

/** Names in one request. */
const CLAIMS_AT_ONCE = 50;

export async function askFor(connection: Connection, need: Need): Promise<ChangeAnswer> {
  const { op } = need;
  if (need.type === "claim_keys") return { op, answer: await claim(connection, need.names) };
  if (need.type === "groups") {
    const answer = await connection.ask("groups", {});
    if ("refusal" in answer) return { op, answer };
    if (answer.frame.type !== "group_list") throw notAsked("groups");
    return { op, answer: { ok: answer.frame.data } };
  }
  const { group_id, statement } = need;
  const answer = await connection.ask(need.type, { group_id, statement });
  if ("refusal" in answer) return { op, answer };
  if (answer.frame.type !== "ack") throw notAsked(need.type);
  return { op, answer: { ok: answer.frame.data } };
}

/** Key packages of all of them, some at a time; a refusal is for all. */
async function claim(connection: Connection, names: string[]): Promise<ChangeAnswer["answer"]> {
  const all: RelayFrameData<"key_list"> = { keys: [], refused: [] };
  for (let at = 0; at < names.length; at += CLAIMS_AT_ONCE) {
    const answer = await connection.ask("claim_keys", { usernames: names.slice(at, at + CLAIMS_AT_ONCE) });
    if ("refusal" in answer) return answer;
    if (answer.frame.type !== "key_list") throw notAsked("claim_keys");
    all.keys.push(...answer.frame.data.keys);
    all.refused.push(...answer.frame.data.refused);
  }
  return { ok: all };
}

function notAsked(type: string): AgentError {
  return new AgentError("relay_protocol", `the relay answered ${type} with something else`);
}
