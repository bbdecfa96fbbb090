/** Groups of agents: what one does with them. Each change is on disk before it is made, and made once, whoever ends meanwhile. */
import { AgentError } from "../errors.ts";
import type { Link } from "../link/link.ts";
import { hex } from "../crypto/hex.ts";
import { usernameKey } from "../protocol/index.ts";
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
import { groupName, nobodyElse, notAnAdmin, notChanged, onlyAdmin, whileKept } from "./group-words.ts";
import { findTeam, nameTyped } from "./team-lookup.ts";
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
    return this.#store.read(async (tx) => read(tx, nameTyped(name), await findTeam(tx, name)));
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
    const plain = groupName(name);
    check("group", { about });
    const names = this.#others(members, "create", plain);
    const key = hex(globalThis.crypto.getRandomValues(new Uint8Array(16)));
    await this.#change(plain, async () => ({ kind: "create", key, name: plain, about, names }), wait);
    return this.#store.read(async (tx) => {
      const team = await get(tx, "team/", key);
      if (team === undefined) throw new AgentError("internal", "the group was founded, and is not there");
      return read(tx, (await nameOfTeam(tx, key)) ?? plain, team);
    });
  }

  /** Only an admin may. @throws AgentError unknown_group, not_an_admin, and as {@link create} */
  async add(group: string, members: string[], wait?: Wait): Promise<void> {
    await this.#ofAdmin(group, { kind: "add", names: this.#others(members, "add", nameTyped(group)) }, wait);
  }

  /** What is sent from then on they cannot read. Only an admin may. @throws AgentError unknown_group, not_an_admin, failed */
  async remove(group: string, members: string[], wait?: Wait): Promise<void> {
    await this.#ofAdmin(group, { kind: "remove", names: this.#others(members, "remove", nameTyped(group)) }, wait);
  }

  /** Makes members admins. Only an admin may. @throws AgentError as {@link remove} */
  async promote(group: string, members: string[], wait?: Wait): Promise<void> {
    await this.#ofAdmin(group, { kind: "promote", names: members.map(parseName) }, wait);
  }

  /** Makes admins members like others. Only an admin may. @throws AgentError as {@link remove} */
  async demote(group: string, members: string[], wait?: Wait): Promise<void> {
    await this.#ofAdmin(group, { kind: "demote", names: members.map(parseName) }, wait);
  }

  /**
   * For all of its members. Only an admin may. @returns the group as it is called here then: another one may have that name
   * @throws AgentError as {@link remove}
   */
  async rename(group: string, name: string, wait?: Wait): Promise<Group> {
    const key = await this.#ofAdmin(group, { kind: "rename", name: groupName(name), names: [] }, wait);
    return this.#store.read(async (tx) => {
      const here = (await nameOfTeam(tx, key)) ?? name;
      return read(tx, here, await findTeam(tx, here));
    });
  }

  /** Takes an invitation: what was sent since comes now. @throws AgentError unknown_group */
  async accept(group: string): Promise<void> {
    await this.#store.write(async (tx) => {
      const team = await findTeam(tx, group);
      if (team.state === "active") await put(tx, "team/", team.key, { ...team, accepted: true });
      if (team.state !== "invited") return;
      const alias = await aliasFor(tx, team);
      await put(tx, "team/", team.key, { ...team, accepted: true, state: "active", alias });
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
    const here = nameTyped(group);
    const { admins, members } = await this.#store.read((tx) => findTeam(tx, group));
    if (admins.includes(this.#own)) {
      const others = members.filter((name) => name !== this.#own);
      if (admins.length === 1 && others.length > 0) throw onlyAdmin(here, others);
      // An admin that leaves is demoted first.
      const kept = `that this agent is no admin any more is kept; leave then: aimessage group leave @${here}`;
      if (others.length > 0) await this.#ofAdmin(group, { kind: "demote", names: [this.#own] }, wait, kept);
    }
    await this.#change(
      here,
      async (tx) => {
        const team = await findTeam(tx, group);
        return { kind: "leave", key: team.key, group: team.group, names: [] };
      },
      wait,
    );
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

  #others(members: string[], kind: OpRecord["kind"], group: string): string[] {
    const names = [...new Set(members.map(parseName))];
    if (names.length > 0 && !names.includes(this.#own)) return names;
    throw nobodyElse(names, kind, group);
  }

  /** @returns the key of the group */
  async #ofAdmin(
    group: string,
    change: Pick<OpRecord, "kind" | "name" | "names">,
    wait: Wait = {},
    kept?: string,
  ): Promise<string> {
    const here = nameTyped(group);
    const make = async (tx: ReadTransaction) => {
      const { key, admins } = await findTeam(tx, group);
      if (!admins.includes(this.#own)) throw notAnAdmin(here, admins);
      return { key, ...change };
    };
    return this.#change(here, make, wait, kept);
  }

  /** Writes down a change, and waits until it is made. @param kept What to say where it may still be made. @returns the key of its group */
  async #change(
    here: string,
    make: (tx: WriteTransaction) => Promise<Omit<OpRecord, "seq" | "at">>,
    wait: Wait,
    kept?: string,
  ): Promise<string> {
    await this.#link.begin();
    const change = await this.#store.write(async (tx) => {
      const asked = await make(tx);
      const seq = await nextSeq(tx, "op");
      await put(tx, "op/", pad(seq), { ...asked, seq, at: Date.now() });
      return { ...asked, seq };
    });
    this.#link.start();
    const [key, at] = [change.key, pad(change.seq)];
    const look = () => this.#store.read((tx) => get(tx, "op-end/", at));
    const end = await waitFor(this.#store, this.#link, "the change of the group", look, wait).catch(
      (error: unknown) => {
        throw whileKept(error, kept);
      },
    );
    // It is made or not, whatever the disk says now; what is left goes in a day.
    await this.#store.write((tx) => remove(tx, "op-end/", at)).catch(() => undefined);
    const { reason } = end;
    if (reason === undefined) return key;
    const team = await this.#store.read((tx) => get(tx, "team/", key));
    throw notChanged({ ...change, here, team, own: this.#own }, { ...end, reason });
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
