/** By which address the link talks to the relay, where processes of one agent were given different ones. */
import { AgentError } from "../errors.ts";
import type { ClientStore } from "../store/store.ts";
import type { Account } from "../records/own-account.ts";

/** The address of whoever holds the link, if that is not the one that is remembered. */
const WHERE = "meta/link-server";

/** The address that this process was given, if it is not the one that is remembered. */
export function otherAddress({ server, relay }: Account): string | undefined {
  return server === relay.server ? undefined : server;
}

/** For those who come while this process holds the link. */
export async function sayWhere(store: ClientStore, account: Account): Promise<void> {
  const server = otherAddress(account);
  if ((await store.read((tx) => tx.get(WHERE))) === server) return;
  await store.write((tx) => (server === undefined ? tx.delete(WHERE) : tx.put(WHERE, server)));
}

/**
 * What is left for another process that holds the link goes where that talks to.
 * @throws AgentError other_relay if this process was given another address
 */
export async function refuseIfElsewhere(store: ClientStore, account: Account): Promise<void> {
  const { server, relay } = account;
  if (otherAddress(account) === undefined) return;
  const there = String((await store.read((tx) => tx.get(WHERE))) ?? relay.server);
  if (there === server) return;
  const holder = await store.linkHolder();
  const who = holder === undefined ? "another process" : `process ${holder.pid} (${holder.role})`;
  throw new AgentError("other_relay", `${who} holds the link to the relay, and talks to ${there}, not to ${server}`, {
    hint: "end it first, or leave -s and AIMESSAGE_SERVER out",
  });
}
