/** Groups of agents: what one does with them. Each change is on disk before it is made, and made once, whoever ends meanwhile. */
import { AgentError } from "../errors.ts";
import type { Link } from "../link/link.ts";
import { usernameKey } from "../protocol/index.ts";
import { hex } from "../crypto/mls/bytes.ts";
import type { GroupCrypto } from "../crypto/mls/group.ts";
import { directAddress } from "../records/addresses.ts";
import { owed } from "../records/owed.ts";
import { find, get, list, nextSeq, pad, put, remove } from "../records/records.ts";
import { TAKEN } from "../records/team-held.ts";
import { aliasFor, nameOfTeam, teamsByName } from "../records/team-names.ts";
import type { OpRecord, TeamRecord } from "../records/team-records.ts";
import type { ClientStore, ReadTransaction, WriteTransaction } from "../store/store.ts";
import { parseName } from "./address.ts";
import { check } from "./arguments.ts";
import { followGroupChanges, type GroupChange } from "./group-changes.ts";
import { type GroupMember, membersOf, type WaitingChange, waitingChanges } from "./group-members.ts";
import { findTeam } from "./team-lookup.ts";
import { type Wait, waitFor } from "./waiting.ts";

/** A group that this agent is in, or is invited to. */
export interface Group {
  /** As it is called here. */
  name: string;
  about: string;
  state: "active" | "invited" | "founding";
  /** The relay's clock, Unix milliseconds. */
  foundedAt: number;
  /** By rank. */
  admins: string[];
  /** Ourselves among them. */
  members: string[];
  /** Who has added this agent; undefined if it is its founder. */
  inviter: string | undefined;
  /** This agent cannot follow it any more, and waits for another member to take it in again. */
  isLapsed: boolean;
  /** Changes that were asked for here, and are not made yet. */
  waiting: WaitingChange[];
}

export interface CreateOptions extends Wait {
  /** What the group is for: 512 bytes at most, seen by members alone. */
  about?: string;
}

/** What to do where the reason alone does not say it. */
const HINTS: ReadonlyMap<string, string> = new Map([
  ["invalid_data", "this relay is older, and does not know groups yet: ask its operator to update it"],
  ["group_quota", "the relay takes no larger group, or no more of them: aimessage group list"],
  ["not_admin", "only an admin of the group may do this"],
  ["admin_removed", "an admin is demoted before it is removed: aimessage group demote @GROUP NAME"],
  ["admin_not_member", "only members can be admins, and one of them has to be: aimessage group info @GROUP"],
  ["unknown_leaf", "somebody who is named is no member: aimessage group info @GROUP"],
  ["name_twice", "somebody who is named is a member already: aimessage group info @GROUP"],
]);

const TRY_AGAIN = "nothing of the change was made; mend what is named, and try again";
const ADD_THE_REST = "see who is in it, and add the others: aimessage group info @GROUP";

export class Groups {
  readonly #store: ClientStore;
  readonly #link: Link;
  readonly #crypto: GroupCrypto;
  readonly #own: string;

  constructor(store: ClientStore, link: Link, crypto: GroupCrypto, own: string) {
    this.#store = store;
    this.#link = link;
    this.#crypto = crypto;
    this.#own = usernameKey(own);
  }

  /** Calls `listener` with each change of a group that is made from now on, by whomever. */
  onChange(listener: (change: GroupChange) => void): () => void {
    return followGroupChanges(this.#store, listener);
  }

  /** By name. */
  list(): Promise<Group[]> {
    return this.#store.read(async (tx) => {
      const changes = await waitingChanges(tx);
      const groups: Group[] = [];
      for (const [name, team] of await teamsByName(tx)) groups.push(await read(tx, name, team, changes));
      // What is to be founded, and the relay has not heard of.
      for (const [key, [change]] of changes)
        if (change?.kind === "create" && (await find(tx, "team/", key)) === undefined)
          groups.push(this.#wanted(change));
      return groups.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    });
  }

  /** @throws AgentError unknown_group */
  async find(name: string): Promise<Group> {
    return this.#store.read(async (tx) => {
      const team = await findTeam(tx, name);
      return read(tx, (await nameOfTeam(tx, team.key)) ?? team.name, team);
    });
  }

  /** Who is in it, admins first by rank, then by name, and what is known of each. @throws AgentError unknown_group */
  async members(group: string): Promise<GroupMember[]> {
    return this.#store.read(async (tx) => {
      const means = { crypto: this.#crypto, own: this.#own, now: Date.now() };
      return membersOf(tx, await findTeam(tx, group), means);
    });
  }

  /**
   * Founds a group, of which this agent is the first admin. All are added, or there is no group.
   * @throws AgentError usage, bad_username, refused, failed: nobody was added; timeout, relay_unreachable: it may still be founded
   */
  async create(name: string, members: string[], options: CreateOptions = {}): Promise<Group> {
    const { about = "", ...wait } = options;
    const names = this.#others(members);
    check("group", { name: name.replace(/^@/, ""), about });
    const key = hex(globalThis.crypto.getRandomValues(new Uint8Array(16)));
    await this.#change(async () => ({ kind: "create", key, name: name.replace(/^@/, ""), about, names }), wait);
    return this.#store.read(async (tx) => {
      const team = await get(tx, "team/", key);
      if (team === undefined) throw new AgentError("internal", "the group was founded, and is not there");
      return read(tx, (await nameOfTeam(tx, key)) ?? name, team);
    });
  }

  /** Only an admin may. @throws AgentError unknown_group, not_an_admin, and as {@link create} */
  async add(group: string, members: string[], wait?: Wait): Promise<void> {
    const names = this.#others(members);
    await this.#ofAdmin(group, { kind: "add", names }, wait);
  }

  /** What is sent from then on they cannot read. Only an admin may. @throws AgentError unknown_group, not_an_admin, failed */
  async remove(group: string, members: string[], wait?: Wait): Promise<void> {
    await this.#ofAdmin(group, { kind: "remove", names: this.#others(members) }, wait);
  }

  /** Makes members admins. Only an admin may. @throws AgentError as {@link remove} */
  async promote(group: string, members: string[], wait?: Wait): Promise<void> {
    await this.#ofAdmin(group, { kind: "promote", names: members.map(parseName) }, wait);
  }

  /** Makes admins members like others. Only an admin may. @throws AgentError as {@link remove} */
  async demote(group: string, members: string[], wait?: Wait): Promise<void> {
    await this.#ofAdmin(group, { kind: "demote", names: members.map(parseName) }, wait);
  }

  /** For all of its members. Only an admin may. @throws AgentError as {@link remove} */
  async rename(group: string, name: string, wait?: Wait): Promise<void> {
    check("group", { name: name.replace(/^@/, ""), about: "" });
    await this.#ofAdmin(group, { kind: "rename", name: name.replace(/^@/, ""), names: [] }, wait);
  }

  /** Takes an invitation: what was sent since comes now. @throws AgentError unknown_group */
  async accept(group: string): Promise<void> {
    await this.#store.write(async (tx) => {
      const team = await findTeam(tx, group);
      if (team.state !== "invited") return;
      await put(tx, "team/", team.key, { ...team, state: "active", alias: await aliasFor(tx, team) });
      await tx.put(TAKEN + team.key, "");
      // Their senders hear what has come meanwhile, and what had no room.
      for (const { name, receive_counter: upTo } of await list(tx, "team-member/", { under: `${team.group}/` }))
        if (upTo > 0) await tx.put(owed(directAddress(team.key, name), "read", team.group), String(upTo));
    });
  }

  /**
   * Leaves a group: from then on nothing comes of it, and nothing is sent. The last admin makes somebody else one first.
   * @throws AgentError unknown_group, usage, failed, timeout, relay_unreachable
   */
  async leave(group: string, wait: Wait = {}): Promise<void> {
    const { admins, name, members } = await this.#store.read((tx) => findTeam(tx, group));
    if (admins.includes(this.#own)) {
      if (admins.length === 1 && members.length > 1)
        throw new AgentError("usage", `this agent is the only admin of @${name}`, {
          hint: `make another member one first: aimessage group promote @${name} NAME`,
        });
      if (members.length > 1) await this.demote(group, [this.#own], wait);
    }
    await this.#change(async (tx) => {
      const team = await findTeam(tx, group);
      return { kind: "leave", key: team.key, group: team.group, names: [] };
    }, wait);
  }

  /** Declines an invitation, which is to leave. @throws AgentError as {@link leave} */
  refuse(group: string, wait: Wait = {}): Promise<void> {
    return this.leave(group, wait);
  }

  #wanted(change: WaitingChange): Group {
    const { name = "", names, askedAt } = change;
    return {
      name,
      about: "",
      state: "founding",
      foundedAt: askedAt,
      admins: [this.#own],
      members: [this.#own, ...names].toSorted(),
      inviter: undefined,
      isLapsed: false,
      waiting: [change],
    };
  }

  #others(members: string[]): string[] {
    const names = [...new Set(members.map(parseName))];
    if (names.length > 0 && !names.includes(this.#own)) return names;
    throw new AgentError("usage", names.length === 0 ? "nobody is named" : "this agent itself is named", {
      hint: "name one or more other agents",
    });
  }

  async #ofAdmin(group: string, change: Pick<OpRecord, "kind" | "name" | "names">, wait: Wait = {}): Promise<void> {
    await this.#change(async (tx) => {
      const { key, name, admins } = await findTeam(tx, group);
      if (!admins.includes(this.#own))
        throw new AgentError("not_an_admin", `only an admin of @${name} may do this`, {
          hint: `ask one of them: ${admins.join(", ")}`,
        });
      return { key, ...change };
    }, wait);
  }

  /** Writes down a change, and waits until it is made. */
  async #change(make: (tx: WriteTransaction) => Promise<Omit<OpRecord, "seq" | "at">>, wait: Wait): Promise<void> {
    await this.#link.begin();
    const seq = await this.#store.write(async (tx) => {
      const change = await make(tx);
      const seq = await nextSeq(tx, "op");
      await put(tx, "op/", pad(seq), { ...change, seq, at: Date.now() });
      return seq;
    });
    this.#link.start();
    const end = await waitFor(
      this.#store,
      this.#link,
      "the change of the group",
      () => this.#store.read((tx) => get(tx, "op-end/", pad(seq))),
      wait,
    );
    await this.#store.write((tx) => remove(tx, "op-end/", pad(seq)));
    const { reason, who, in_part: isInPart } = end;
    if (reason === undefined) return;
    const what = isInPart === true ? "not all of them were added" : "the group was not changed";
    const about = who === undefined ? what : `${who} cannot be added`;
    throw new AgentError("failed", `${about}: ${reason.replaceAll("_", " ")}`, {
      reason,
      hint: HINTS.get(reason) ?? (isInPart === true ? ADD_THE_REST : TRY_AGAIN),
    });
  }
}

async function read(
  tx: ReadTransaction,
  name: string,
  team: TeamRecord,
  changes?: ReadonlyMap<string, WaitingChange[]>,
): Promise<Group> {
  const { key, about, state, founded_at, admins, members, inviter, group } = team;
  if (state === "over") throw new AgentError("unknown_group", `this agent is not in @${name} any more`);
  return {
    name,
    about,
    state,
    foundedAt: founded_at,
    admins,
    members: members.toSorted(),
    inviter,
    isLapsed: (await find(tx, "team-group/", group))?.state === "stuck",
    waiting: (changes ?? (await waitingChanges(tx))).get(key) ?? [],
  };
}
