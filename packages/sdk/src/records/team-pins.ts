/** Members that came into a team under another identity than the pinned one. */
import type { ReadTransaction } from "../store/store.ts";
import { find } from "./records.ts";

/** `team-pin/<key>/<username>`: the identity key (base64) that a member has there, where it was not the pinned one when it came. */
export function teamPin(key: string, name = ""): string {
  return `team-pin/${key}/${name}`;
}

/** A member of a team that the owner would have to trust first, if there is one: till then nothing is sent to the team. */
export async function untrustedIn(tx: ReadTransaction, key: string): Promise<string | undefined> {
  for (const [at] of await tx.list({ prefix: teamPin(key) })) {
    const name = at.slice(teamPin(key).length);
    if (!(await isTrusted(tx, key, name))) return name;
  }
  return undefined;
}

/** Whether a member is there under the pinned identity. */
export async function isTrusted(tx: ReadTransaction, key: string, name: string): Promise<boolean> {
  const identityKey = await tx.get(teamPin(key, name));
  const contact = identityKey === undefined ? undefined : await find(tx, "contact/", name);
  return contact === undefined || contact.identity_key === identityKey;
}
