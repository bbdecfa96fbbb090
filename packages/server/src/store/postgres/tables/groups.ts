import { GROUP_BYTES, ROW_BYTES } from "../../charges.ts";
import { DAY_MS, dayOf } from "../../days.ts";
import type { Tables } from "../../decisions/tables.ts";
import { each, type Group, type Member, Missing } from "../../decisions/work.ts";
import type { StoreLimits } from "../../store.ts";
import type { Boxes } from "./boxes.ts";
import type { Charges } from "./charges.ts";
import {
  FORGET,
  type GroupRow,
  groupWrites,
  type MemberRow,
  memberWrites,
  SURPLUS,
  toMember,
  toMemberRow,
} from "./group-rows.ts";
import type { Sql } from "../link/link.ts";
import { keyOf, type Look, type Part, type Send, valuesOf } from "./part.ts";
import { Rows } from "./rows.ts";

interface GroupsContext {
  boxes: Boxes;
  charges: Charges;
  relay: number;
  limits: Pick<StoreLimits, "groups" | "groupAge" | "mailboxAge">;
  now: number;
}

type Membership = Pick<MemberRow, "group_id" | "mailbox" | "leaves"> & {
  place: string | null;
  lapsed: boolean;
  team: boolean;
};

/** Groups: who may send in them, and which epoch they are in (RFC 9750, section 5.2: one commit ends each epoch). [P-6.3] */
export class Groups implements Part {
  readonly looks: Record<string, Look>;
  readonly #context: GroupsContext;
  readonly #groups = new Rows<string, GroupRow>("group");
  readonly #members = new Map<string, Map<number, MemberRow>>();
  /** By group and mailbox; undefined: it is a member no more. */
  readonly #made = new Map<string, Map<number, MemberRow | undefined>>();
  readonly #found = new Map<string, Group | undefined>();
  readonly #ofName = new Map<string, Membership[]>();
  readonly #ofMailbox = new Map<number, Membership[]>();
  /** Groups that a sweep of this batch forgets. */
  forgotten: string[] | undefined;
  /** What else of them goes: set by the statements. */
  onForget: (groups: readonly string[]) => void = () => {};
  /** Statements of what is rare, as they come. */
  #statements: [text: string, values: unknown[]][] = [];

  constructor(context: GroupsContext) {
    this.#context = context;
    this.looks = {
      group: (sql, keys) => this.read(sql, keys),
      "memberships of": async (sql, keys) => {
        for (const name of keys) this.#ofName.set(name, []);
        for (const row of await sql<Membership & { name: string }>(
          `SELECT name, group_id, mailbox, leaves, lapsed, true AS team, coalesce(adder_address::text, adder) AS place FROM members
            WHERE team AND name = ANY ($1::text[])`,
          [keys],
        ))
          this.#ofName.get(row.name)?.push(row);
      },
      "groups of mailbox": async (sql, keys) => {
        for (const key of keys) {
          const [mailbox, limit] = valuesOf(key) as [number, number];
          const rows = await sql<Membership>(
            "SELECT group_id, mailbox, leaves, lapsed, team, NULL AS place FROM members WHERE mailbox = $1 AND NOT lapsed LIMIT $2::bigint",
            [mailbox, limit],
          );
          this.#ofMailbox.set(mailbox, rows);
          await this.read(
            sql,
            rows.map(({ group_id }) => group_id),
          );
        }
      },
      "old groups": async (sql, keys) => {
        const [day, endedDay, limit] = valuesOf(keys[0] ?? "") as [number, number, number];
        const rows = await sql<{ group_id: string }>(
          `(SELECT group_id FROM groups WHERE used < $1 LIMIT $3::bigint) UNION (SELECT group_id FROM groups WHERE ended < $2 LIMIT $3::bigint)`,
          [day, endedDay, limit],
        );
        this.forgotten = rows.map(({ group_id }) => group_id);
        await this.read(sql, this.forgotten);
      },
    };
  }

  async read(sql: Sql, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    for (const id of ids) {
      this.#groups.learn(id, undefined);
      this.#members.set(id, new Map());
    }
    const [groups, members] = await Promise.all([
      sql<GroupRow>("SELECT * FROM groups WHERE group_id = ANY ($1::text[])", [ids]),
      sql<MemberRow & { gone: boolean }>(MEMBERS, [ids]),
    ]);
    for (const row of groups) this.#groups.learn(row.group_id, row);
    const { boxes } = this.#context;
    for (const { gone, ...row } of members) {
      this.#members.get(row.group_id)?.set(row.mailbox, row);
      // No mailbox ever has its number again: there is nothing to be locked.
      if (gone && !boxes.isKnown(row.mailbox)) boxes.learn(row.mailbox, undefined);
    }
  }

  readonly tables: Tables["groups"] = {
    find: (groupId) => this.#find(groupId),
    member: (groupId, mailbox) => {
      const group = this.#find(groupId);
      return group?.isTeam === true ? group.members.get(mailbox) : undefined;
    },
    open: (groupId, { epoch, used, isTeam, floor, members }, { mailbox, address }) => {
      const { charges, limits } = this.#context;
      const row = { group_id: groupId, epoch, opener: mailbox, address: address ?? null, used, ended: null };
      this.#groups.put(groupId, { ...row, team: isTeam, floor, pos: 0, pos_before: 0 });
      this.#members.set(groupId, new Map());
      for (const member of members.values()) this.#putMember(groupId, member, isTeam);
      this.#found.delete(groupId);
      charges.addAt(address, GROUP_BYTES + (isTeam ? members.size * ROW_BYTES : 0));
      // A device that opens too many loses those that it has not used for longest.
      if (!isTeam) this.#statements.push([SURPLUS, [this.#context.relay, mailbox, limits.groups, groupId]]);
    },
    advance: (groupId, epoch, day) => this.#change(groupId, { epoch, used: day }),
    use: (groupId, day) => this.#change(groupId, { used: day }),
    end: (groupId, { epoch, floor, day, add, remove }) => {
      const row = this.#groups.get(groupId);
      if (row === undefined) return;
      this.#change(groupId, { epoch, floor, used: day, pos: 0, pos_before: row.pos });
      for (const mailbox of remove) this.#make(groupId, mailbox, undefined);
      for (const member of add) this.#putMember(groupId, member, true);
      this.#found.delete(groupId);
      this.#context.charges.addAt(row.address ?? undefined, (add.length - remove.length) * ROW_BYTES);
    },
    setPos: (groupId, { pos, posBefore }) => {
      const row = this.#groups.get(groupId);
      if (row !== undefined) this.#groups.put(groupId, { ...row, pos, pos_before: posBefore });
      Object.assign(this.#found.get(groupId) ?? {}, { pos, posBefore });
    },
    setMember: (groupId, member) => {
      this.#putMember(groupId, member, true);
      this.#found.get(groupId)?.members.set(member.mailbox, member);
    },
    countTeamsOf: (name, place) => {
      const rows = this.#membershipsOf(name).filter(({ leaves }) => !leaves);
      return { all: rows.length, here: rows.filter((row) => row.place === String(place)).length };
    },
    lapseAll: (mailbox) => {
      const { now } = this.#context;
      this.#statements.push([
        "UPDATE members SET lapsed = true, away_since = coalesce(away_since, $1::bigint) WHERE mailbox = $2 AND team",
        [now, mailbox],
      ]);
    },
    leaveAll: (name) => {
      const { now } = this.#context;
      this.#statements.push([
        "UPDATE members SET lapsed = true, leaves = true, away_since = coalesce(away_since, $1::bigint) WHERE name = $2 AND team",
        [now, name],
      ]);
    },
    removeMember: (mailbox, limit) => {
      const rows = this.#ofMailbox.get(mailbox);
      if (rows === undefined) throw new Missing("groups of mailbox", keyOf(mailbox, limit));
      for (const { group_id: group, team } of rows) {
        if (team) {
          const member = this.#members.get(group)?.get(mailbox);
          if (member !== undefined)
            this.tables.setMember(group, {
              ...toMember(member),
              lapsed: true,
              awaySince: member.away_since ?? this.#context.now,
            });
        } else this.#endPair(group);
      }
      return rows.length;
    },
    sweep: (limit) => {
      const { limits, now, relay } = this.#context;
      const mailDays = Math.ceil(limits.mailboxAge / DAY_MS) + 1;
      const days = Math.max(Math.ceil(limits.groupAge / DAY_MS), mailDays);
      if (this.forgotten === undefined)
        throw new Missing("old groups", keyOf(dayOf(now) - days, dayOf(now) - mailDays, limit));
      // Somebody may have used one just now: under the locks of its members it is old, or is asked for no more.
      each(this.forgotten, (groupId) => this.#find(groupId));
      this.onForget(this.forgotten);
      if (this.forgotten.length > 0) this.#statements.push([FORGET, [relay, this.forgotten]]);
      return this.forgotten.length;
    },
  };

  #find(groupId: string): Group | undefined {
    if (this.#found.has(groupId)) return this.#found.get(groupId);
    const row = this.#groups.get(groupId);
    const members = row === undefined ? [] : this.#membersOf(groupId);
    // Whoever changes a group has the locks of all of its members.
    const owners = each(members, ({ mailbox }) => this.#context.boxes.get(mailbox));
    // Of a removed account a sweep ends the groups of two, some at a time: nobody sends in them meanwhile.
    const isOver = row?.team === false && owners.some((box) => box?.closed === "unregistered");
    const group = row && {
      isTeam: row.team,
      epoch: row.epoch,
      floor: row.floor,
      pos: row.pos,
      posBefore: row.pos_before,
      used: row.used,
      members: new Map((isOver ? [] : members).map((member): [number, Member] => [member.mailbox, toMember(member)])),
    };
    this.#found.set(groupId, group);
    return group;
  }

  #membersOf(groupId: string): MemberRow[] {
    const read = this.#members.get(groupId);
    if (read === undefined) throw new Missing("group", groupId);
    const made = this.#made.get(groupId);
    if (made === undefined) return [...read.values()];
    const all = [...new Map([...read, ...made]).values()].filter((row) => row !== undefined);
    return all.toSorted((one, other) => one.mailbox - other.mailbox);
  }

  #membershipsOf(name: string): Membership[] {
    const read = this.#ofName.get(name);
    if (read === undefined) throw new Missing("memberships of", name);
    const all = new Map(read.map((row) => [keyOf(row.group_id, row.mailbox), row]));
    for (const [group, members] of this.#made)
      for (const [mailbox, row] of members) {
        if (row === undefined) all.delete(keyOf(group, mailbox));
        else if (row.name === name && row.team)
          all.set(keyOf(group, mailbox), {
            ...row,
            place: row.adder === null ? null : String(row.adder_address ?? row.adder),
          });
      }
    return [...all.values()];
  }

  #putMember(groupId: string, member: Member, isTeam: boolean): void {
    this.#make(groupId, member.mailbox, toMemberRow(groupId, member, isTeam));
  }

  #make(groupId: string, mailbox: number, row: MemberRow | undefined): void {
    const members = this.#made.get(groupId);
    if (members === undefined) this.#made.set(groupId, new Map([[mailbox, row]]));
    else members.set(mailbox, row);
  }

  #change(groupId: string, change: Partial<GroupRow>): void {
    const row = this.#groups.get(groupId);
    if (row !== undefined) this.#groups.put(groupId, { ...row, ...change });
    this.#found.delete(groupId);
  }

  /** Its id stays for as long as mail of it could. */
  #endPair(group: string): void {
    const row = this.#groups.get(group);
    if (row === undefined) return;
    this.#change(group, { ended: row.ended ?? dayOf(this.#context.now) });
    for (const mailbox of this.#members.get(group)?.keys() ?? []) this.#make(group, mailbox, undefined);
  }

  undo(): void {
    this.#groups.undo();
    this.#made.clear();
    this.#found.clear();
    this.#statements = [];
  }

  write(send: Send): void {
    const { added, changed } = this.#groups.written;
    if (added.length > 0) send(...groupWrites.insert(added));
    if (changed.length > 0) send(...groupWrites.update(changed));
    const gone: [group: string, mailbox: number][] = [];
    const kept: MemberRow[] = [];
    for (const [group, members] of this.#made)
      for (const [mailbox, row] of members) {
        if (row === undefined) gone.push([group, mailbox]);
        else kept.push(row);
      }
    if (gone.length > 0)
      send(
        "DELETE FROM members t USING unnest($1::text[], $2::bigint[]) x(g, m) WHERE t.group_id = x.g AND t.mailbox = x.m",
        [gone.map(([group]) => group), gone.map(([, mailbox]) => mailbox)],
      );
    if (kept.length > 0) send(memberWrites.upsert, memberWrites.values(kept));
    for (const [text, values] of this.#statements) send(text, values);
  }
}

const MEMBERS = `SELECT m.*, (SELECT b.mailbox FROM mailboxes b WHERE b.mailbox = m.mailbox) IS NULL AS gone
  FROM members m WHERE group_id = ANY ($1::text[]) ORDER BY mailbox`;
