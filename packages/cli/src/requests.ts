/** Strangers who wait for the owner's consent. */
import type { Agent, Request } from "@aimessage/sdk/node";
import type { Output } from "@aimessage/sdk/program";

/** A request as JSON. Times are Unix milliseconds. */
export function requestJson({ username, fingerprint, messages, firstAt, lastAt }: Request) {
  return { username, fingerprint, messages, first_at: firstAt, last_at: lastAt };
}

/** Where a person looks for messages, those that are in no inbox are told of. */
export async function sayWhoWaits(agent: Agent, out: Output): Promise<void> {
  const { length } = await agent.requests.list();
  if (length > 0)
    out.note(`${length === 1 ? "1 stranger waits" : `${length} strangers wait`} for your consent: aimessage requests`);
  const invitations = (await agent.groups.list()).filter(({ state }) => state === "invited").length;
  if (invitations > 0)
    out.note(
      `${invitations === 1 ? "1 invitation to a group waits" : `${invitations} invitations to groups wait`}: aimessage group list`,
    );
}
