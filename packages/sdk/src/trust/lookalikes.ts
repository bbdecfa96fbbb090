/**
 * Contacts by what their names look like: `alike/<skeleton>/<username>`. Without it each stranger would cost a look at every contact.
 * Those whom the owner knows stand in `alike-known/<skeleton>/<username>`, too: many strangers may read alike.
 * `meta/alike` is there once all contacts are in it; those that come later are added as they come.
 */
import { skeleton } from "../crypto/identity.ts";
import type { ReadTransaction, WriteTransaction } from "../store/store.ts";

/** Names that are told of one that looks like them. */
const TOLD = 3;

/** Contacts whose names could be taken for this one, a few of them: first those whom the owner knows. */
export async function alike(tx: WriteTransaction, username: string): Promise<string[]> {
  await complete(tx);
  const found: string[] = [];
  for (const table of ["alike-known", "alike"]) await find(tx, `${table}/${skeleton(username)}/`, username, found);
  return found.slice(0, TOLD);
}

async function find(tx: ReadTransaction, under: string, username: string, found: string[]): Promise<void> {
  let after: string | undefined;
  while (found.length < TOLD) {
    const rows = await tx.list({ prefix: under, limit: TOLD + 1, after });
    for (const [key] of rows) {
      const name = key.slice(under.length);
      if (name !== username && !found.includes(name) && (await isContact(tx, name))) found.push(name);
    }
    if (rows.length <= TOLD) break;
    after = rows.at(-1)?.[0];
  }
}

/** A name that is a contact from now on. */
export function noteName(tx: WriteTransaction, username: string): Promise<void> {
  return tx.put(`alike/${skeleton(username)}/${username}`, "");
}

/** A name that the owner knows from now on, whether it is a contact or not. */
export function noteKnown(tx: WriteTransaction, username: string): Promise<void> {
  return tx.put(`alike-known/${skeleton(username)}/${username}`, "");
}

export function forgetName(tx: WriteTransaction, username: string): Promise<void> {
  return tx.delete(`alike/${skeleton(username)}/${username}`);
}

/** Contacts of a restored backup, or of an earlier version, are added once. */
async function complete(tx: WriteTransaction): Promise<void> {
  if ((await tx.get("meta/alike")) === "2") return;
  for (const [key] of await tx.list({ prefix: "contact/" })) await noteName(tx, key.slice("contact/".length));
  for (const [key] of await tx.list({ prefix: "peer/" })) await noteKnown(tx, key.slice("peer/".length));
  await tx.put("meta/alike", "2");
}

async function isContact(tx: ReadTransaction, username: string): Promise<boolean> {
  return (await tx.get(`contact/${username}`)) !== undefined;
}
