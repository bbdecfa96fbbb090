/** No record can stop the link: one on which a turn fails by itself is set aside, alone, and the turn is made again. */
import type { ClientStore, WriteTransaction } from "../store/store.ts";
import { nameReplaced } from "../trust/contact-records.ts";
import { dropHeld } from "../trust/held.ts";
import { countMemberAnew, endAnew, endTeamGroup, failChange, learnAnew } from "./set-aside-teams.ts";
import { readAddress } from "../records/addresses.ts";
import { Fault } from "../records/fault.ts";
import { deleteState } from "../records/group-state.ts";
import { hasLeft } from "../records/outbox-records.ts";
import { owe } from "../records/owed.ts";
import { find, put } from "../records/records.ts";
import { sendUnreadAgain } from "../conversation/resend.ts";
import type { GroupRecord } from "../records/group-records.ts";
import type { Turn } from "../turn/turn.ts";

/** How a turn is made, and made again. */
export interface Turns<T> {
  begin: (tx: WriteTransaction) => Turn;
  /** The whole of it. */
  work: (turn: Turn) => Promise<T>;
  /** A listener of the store that need not hear of it. */
  untold?: () => void;
  /** Puts back what the turn has changed in memory. */
  undo?: (fault: Fault) => void;
}

/**
 * Makes a turn. If it fails on a record, all of it is undone, and it begins anew without that record. What is wrong with
 * the disk, or with no record that could be named, ends it.
 */
export async function makeTurn<T>(store: ClientStore, { begin, work, undo, untold }: Turns<T>): Promise<T> {
  const faults: Fault[] = [];
  for (;;) {
    try {
      // Messages that are sent and handled at the same moment leave with it.
      return await store.write(
        async (tx) => {
          const turn = begin(tx);
          for (const fault of faults) await setAside(turn, fault);
          if (faults.length > 0) await turn.cache.load(tx);
          return work(turn);
        },
        { last: true, ...(untold === undefined ? {} : { untold }) },
      );
    } catch (error) {
      if (!(error instanceof Fault) || faults.some(({ at }) => at === error.at)) throw error;
      // The newest first: it may have kept one of the others from being set aside.
      faults.unshift(error);
      undo?.(error);
    }
  }
}

/** Ends what a record stands for, with nothing of it that could fail once more, and tells the owner. */
async function setAside(turn: Turn, fault: Fault): Promise<void> {
  turn.aside.add(fault.at);
  const [table = "", ...rest] = fault.at.split("/");
  const key = rest.join("/");
  const what = await (ENDS[table] ?? forget)(turn, key, fault.at);
  await turn.alert("internal", undefined, `${what}: ${fault.message}`);
}

/** Without these there is no agent. */
const KEPT: ReadonlySet<string> = new Set(["meta/identity", "meta/device", "meta/relay"]);

/** Nobody waits for what it stood for. */
async function forget({ tx }: Turn, _key: string, at: string): Promise<string> {
  if (KEPT.has(at)) return "a record cannot be read";
  await tx.delete(at);
  return "a record was dropped";
}

const ENDS: Record<string, (turn: Turn, key: string, at: string) => Promise<string>> = {
  out: failMessage,
  wire: failMessage,
  in: failReceived,
  held: failHeld,
  group: endConversation,
  commit: async (turn, id) =>
    (await turn.tx.get(`team-group/${id}`)) === undefined ? endConversation(turn, id) : endTeamGroup(turn, id),
  "team-group": endTeamGroup,
  "team-member": countMemberAnew,
  team: learnAnew,
  op: failChange,
  contact: failAllTo,
  owed: async (turn, key) => {
    const [username] = await dropAt(turn, `owed/${key}`);
    return `what was to be confirmed to ${username} was dropped`;
  },
  report: async (turn, key) => {
    const [whose = ""] = await dropAt(turn, `report/${key}`);
    const address = readAddress(whose);
    const where = address.kind === "direct" ? " in a group" : "";
    return `what ${address.kind === "direct" ? address.name : whose} has confirmed${where} was dropped`;
  },
  again: async (turn, key) => {
    await dropAt(turn, `again/${key}`);
    if (await endAnew(turn, key)) return "what was sent in a group ends once more";
    return "what was not received in a conversation was not sent again";
  },
  pushed: async () => "something that the relay pushed was left alone",
  unread: async () => "the sender of something that was left alone could not be told",
};

async function failMessage(turn: Turn, seq: string): Promise<string> {
  const { tx } = turn;
  const row = await find(tx, "out/", seq);
  // The name in the key may not be the one in the row.
  await deleteEndingIn(tx, ["queue/", "expiry/"], seq);
  await tx.delete(`wire/${seq}`);
  if (row !== undefined && row.kind !== "receipt")
    await put(tx, "out/", seq, {
      ...row,
      state: "failed",
      reason: "internal",
      updated_at: turn.now,
      // A message that has left may have arrived: a receipt outweighs this.
      ...(hasLeft(row) ? { by_relay: true } : {}),
    });
  else for (const prefix of ["out/", "out-body/"]) await tx.delete(prefix + seq);
  return row?.kind === "receipt" ? `a receipt to ${row.to} was dropped` : `message ${row?.id ?? seq} has failed`;
}

async function failReceived(turn: Turn, seq: string): Promise<string> {
  const { tx } = turn;
  const row = await find(tx, "in/", seq);
  const seen = row === undefined ? await seenAs(turn, Number(seq)) : row;
  for (const index of ["unhandled/", "dead/"]) await tx.delete(index + seq);
  if (row !== undefined)
    await put(tx, "in/", seq, { ...row, state: "failed", reason: "internal", settled_at: turn.now });
  else for (const prefix of ["in/", "in-body/"]) await tx.delete(prefix + seq);
  if (seen !== undefined) await owe(tx, { ...seen, seq: Number(seq), state: "failed", reason: "internal" });
  return `a received message ${seen === undefined ? "" : `of ${seen.from} `}has failed`;
}

async function failHeld(turn: Turn, key: string): Promise<string> {
  const seq = Number(key.slice(key.lastIndexOf("/") + 1));
  const seen = await seenAs(turn, seq);
  await dropHeld(turn.tx, key);
  if (seen !== undefined) await owe(turn.tx, { ...seen, seq, state: "failed", reason: "internal" });
  return `a message that waited for its owner has failed`;
}

/** Whose message lies at this place, by the index that knows repeats. */
async function seenAs({ tx }: Turn, seq: number): Promise<{ from: string; id: string } | undefined> {
  for (const [key, place] of await tx.list({ prefix: "seen/" })) {
    const [, from, id] = key.split("/");
    if (place === String(seq) && from !== undefined && id !== undefined) return { from, id };
  }
  return undefined;
}

/** Its secrets go; a new one is opened when there is something to send, and what was not received goes there. */
async function endConversation(turn: Turn, id: string): Promise<string> {
  const { tx } = turn;
  const group = await find(tx, "group/", id);
  const commit = await find(tx, "commit/", id);
  if (commit !== undefined) await turn.remember(commit.commit_id);
  await deleteState(tx, id);
  for (const prefix of ["next/", "commit/"]) await tx.delete(prefix + id);
  await deleteEndingIn(tx, ["contact-group/"], id);
  // Its id stays known, so that no Welcome brings it back.
  await put(tx, "group/", id, { ...unknownGroup(turn, id), ...group, state: "closed" });
  if (group === undefined) return `a conversation was closed`;
  await nameReplaced(tx, group.contact, id);
  if (!turn.aside.has(`contact/${group.contact}`)) await sendUnreadAgain(turn, group);
  return `the conversation with ${group.contact} was closed`;
}

/** The record of a group whose own cannot be read. */
function unknownGroup({ now }: Turn, id: string): GroupRecord {
  return {
    id,
    contact: "",
    role: "joiner",
    state: "closed",
    epoch: 0,
    answered: false,
    created_at: now,
    send_counter: 0,
    messages_since_commit: 0,
    committed_at: now,
    wait_for_epoch: 0,
    replaces: [],
  };
}

/** A pin is not removed, whatever state its record is in: nothing is sent to it, or read from it, until its owner looks. */
async function failAllTo(turn: Turn, username: string): Promise<string> {
  for (const [key] of await turn.tx.list({ prefix: `queue/${username}/` }))
    await failMessage(turn, key.slice(key.lastIndexOf("/") + 1));
  return `nothing can be sent to ${username}`;
}

/** Deletes a record, and all under it. @returns the parts of its key, but for the table */
async function dropAt({ tx }: Turn, at: string): Promise<string[]> {
  for (const [key] of await tx.list({ prefix: at })) if (key === at || key.startsWith(`${at}/`)) await tx.delete(key);
  return at.split("/").slice(1);
}

async function deleteEndingIn(tx: WriteTransaction, prefixes: string[], end: string): Promise<void> {
  for (const prefix of prefixes)
    for (const [key] of await tx.list({ prefix })) if (key.endsWith(`/${end}`)) await tx.delete(key);
}
