import { usernameKey } from "@aimessage/sdk/protocol";
import type { BlockedChanges } from "../blocked-groups.ts";
import type { CommitRequest, SendRequest } from "../store.ts";
import type { Batch } from "./batch.ts";
import type { Hints } from "./hints.ts";
import { isName } from "./tables/names.ts";

/** What is decided in one batch with others. */
export interface Item {
  hints: Partial<Hints>;
  /** Mailboxes that turned out to be needed, too. */
  locks: Set<number> | undefined;
  /** About how much is held for it while it waits. */
  bytes: number;
  /** How many bytes it is worth in a batch, by what the engine does for it. */
  cost: number;
  /** It has a transaction of its own. */
  isAlone: boolean;
  /** May be called several times, upon tables as they were read; of what it returns the last counts. */
  decide: (batch: Batch, blocked: BlockedChanges) => unknown;
  /** What it means beyond the tables, once it is committed. */
  committed?: ((answer: unknown) => void) | undefined;
}

/** Beside what is written for an item whatever it is. Bytes. */
const ITEM_BYTES = 500;

/** About what the engine has to do for one more recipient: so that a batch has no more than some four thousand. Bytes. */
const ENTRY_BYTES = 1000;

export function itemOf<T>(
  decide: (batch: Batch, blocked: BlockedChanges) => T,
  {
    hints = {},
    bytes = 0,
    entries = 0,
    isAlone = false,
    committed,
  }: {
    hints?: Partial<Hints>;
    bytes?: number;
    /** In how many mailboxes it is written, if it may be in many. */
    entries?: number;
    isAlone?: boolean;
    committed?: (answer: T) => void;
  } = {},
): Item {
  return {
    hints,
    locks: undefined,
    bytes: ITEM_BYTES + bytes,
    cost: ITEM_BYTES + bytes + ENTRY_BYTES * entries,
    isAlone,
    decide,
    committed: committed as Item["committed"],
  };
}

/** The mailbox for which it is done, if it is for one, or the name: what stands first. What is for nobody waits for nobody else's turns. */
export function ownerOf(item: Item): unknown {
  return item.hints.mailboxes?.[0] ?? item.hints.names?.[0] ?? item;
}

function namesOf(usernames: readonly string[]): string[] {
  return usernames.filter(isName).map(usernameKey);
}

export function hintsOfSend({ sender, to, groupId, messageId }: SendRequest): Partial<Hints> {
  const names = to === undefined ? [] : namesOf([to]);
  return {
    mailboxes: [sender],
    names,
    groups: groupId === undefined ? [] : [groupId],
    requests: messageId === undefined ? [] : [{ sender, kind: "message", id: messageId }],
    pairs: names.map((name) => [sender, name] as const),
    places: 1,
  };
}

export function hintsOfCommit({ sender, commitId, groupId, members, messages, team }: CommitRequest): Partial<Hints> {
  const named = [...(members ?? []), ...(team?.add ?? [])].map(({ username }) => username);
  const names = namesOf([...named, ...messages.map(({ to }) => to)]);
  return {
    mailboxes: [sender],
    names,
    groups: [groupId],
    requests: [
      { sender, kind: "commit", id: commitId },
      ...messages.map(({ messageId }) => ({ sender, kind: "message" as const, id: messageId })),
    ],
    pairs: names.map((name) => [sender, name] as const),
    highWaters: [sender],
    places: 1 + messages.length,
  };
}

export function hintsOfNames(usernames: readonly string[], mailboxes: readonly number[] = []): Partial<Hints> {
  const names = namesOf(usernames);
  return { names, mailboxes, pairs: mailboxes.flatMap((mailbox) => names.map((name) => [mailbox, name] as const)) };
}
