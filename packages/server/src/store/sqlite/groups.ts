import type { DatabaseSync } from "node:sqlite";
import type { Addresses } from "./addresses.ts";
import { GROUP_BYTES, ROW_BYTES } from "../charges.ts";
import { BoundedMap } from "../bounded-map.ts";
import { DAY_MS, dayOf } from "../days.ts";
import type { Ended, Group, Member, Opener } from "../decisions/work.ts";
import type { Statements } from "./statements.ts";
import type { StoreLimits, TeamOf } from "../store.ts";

/** Members of which remembered groups have as many as other things that are remembered have rows. */
const MEMBERS_A_PLACE = 20;

interface GroupRow {
  epoch: number;
  used: number;
  team: number | null;
  floor: number;
  pos: number;
  pos_before: number;
}
interface MemberRow {
  mailbox: number;
  name: string;
  device: string;
  joined: number;
  lapsed: number | null;
  leaves: number | null;
  adder: string | null;
  adder_address: number | null;
  rejoined_at: number | null;
  away_since: number | null;
  gone: number;
}

interface GroupOf {
  group_id: string;
  epoch: number;
}

export type Groups = ReturnType<typeof groupsTable>;

/** Groups: who may send in them, and which epoch they are in (RFC 9750, section 5.2: one commit ends each epoch). [P-6.3] */
export function groupsTable(
  db: DatabaseSync,
  { addresses, statements }: { addresses: Addresses; statements: Statements },
  limits: Pick<StoreLimits, "groups" | "groupAge" | "mailboxAge">,
  clock: () => number,
) {
  const selectGroup = db.prepare("SELECT epoch, used, team, floor, pos, pos_before FROM groups WHERE group_id = ?");
  const selectAddress = db.prepare("SELECT address FROM groups WHERE group_id = ?");
  // Of a team the names stay when a mailbox is forgotten: its members know them still.
  const ofMembers = `SELECT mailbox, coalesce(m.name, b.name, '') AS name, coalesce(m.device, b.device, '') AS device, joined, lapsed, leaves,
        adder, adder_address, rejoined_at, away_since, b.closed IS 'unregistered' AS gone
      FROM members m LEFT JOIN mailboxes b USING (mailbox) WHERE group_id = ?`;
  const selectMembers = db.prepare(ofMembers);
  const selectMember = db.prepare(`${ofMembers} AND mailbox = ? AND m.name IS NOT NULL`);
  const insertGroup = db.prepare(
    "INSERT INTO groups (group_id, epoch, opener, address, used, team, floor) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const putMember = db.prepare(
    `INSERT OR REPLACE INTO members (group_id, mailbox, name, device, joined, lapsed, leaves, adder, adder_address, rejoined_at, away_since)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  );
  const deleteMember = db.prepare("DELETE FROM members WHERE group_id = ? AND mailbox = ?");
  const setEpoch = db.prepare("UPDATE groups SET epoch = ?, used = ? WHERE group_id = ?");
  const endEpoch = db.prepare(
    "UPDATE groups SET epoch = ?, floor = ?, pos = 0, pos_before = pos, used = ? WHERE group_id = ?",
  );
  const setPos = db.prepare("UPDATE groups SET pos = ?, pos_before = ? WHERE group_id = ?");
  const setUsed = db.prepare("UPDATE groups SET used = ? WHERE group_id = ?");
  const ofMember = db.prepare(
    "SELECT group_id, team FROM members JOIN groups USING (group_id) WHERE mailbox = ? AND lapsed IS NULL LIMIT ?",
  );
  const ofName = db.prepare(
    // What it leaves by its own will is its own still; of an account that was removed nobody has any.
    `SELECT group_id, epoch, m.device AS device, lapsed, leaves FROM members m JOIN groups USING (group_id) LEFT JOIN mailboxes b USING (mailbox)
      WHERE m.name = ? AND (leaves IS NULL OR (b.mailbox IS NOT NULL AND b.closed IS NOT 'unregistered'))`,
  );
  // Of those in which it has said nothing, also how many whoever is at one place has added it to.
  const countOfName = db.prepare(
    `SELECT count(*) AS count, count(*) FILTER (WHERE adder IS NOT NULL AND coalesce(adder_address, adder) = ?) AS here
      FROM members WHERE name = ? AND leaves IS NULL`,
  );
  const lapse = db.prepare(
    "UPDATE members SET lapsed = 1, away_since = coalesce(away_since, ?) WHERE mailbox = ? AND name IS NOT NULL",
  );
  const leave = db.prepare(
    "UPDATE members SET lapsed = 1, leaves = 1, away_since = coalesce(away_since, ?) WHERE name = ?",
  );
  const end = db.prepare("UPDATE groups SET ended = ? WHERE ended IS NULL AND group_id = ?");
  const tooMany = db.prepare(
    `SELECT group_id, address FROM groups WHERE opener = ? AND team IS NULL ORDER BY used DESC, rowid DESC
      LIMIT -1 OFFSET ?`,
  );
  const unused = db.prepare("SELECT group_id, address FROM groups WHERE used < ? LIMIT ?");
  const ended = db.prepare("SELECT group_id, address FROM groups WHERE ended < ? LIMIT ?");
  const deleteGroup = db.prepare("DELETE FROM groups WHERE group_id = ?");
  const deleteMembers = db.prepare("DELETE FROM members WHERE group_id = ? RETURNING name");
  // By their members: of groups alone so many fit as would take more memory than there is.
  const groups = new BoundedMap<string, Group | undefined>((group) => 1 + (group?.members.size ?? 0) / MEMBERS_A_PLACE);

  const today = (): number => dayOf(clock());

  function remove(rows: unknown[]): void {
    for (const { group_id, address } of rows as { group_id: string; address: number | null }[]) {
      deleteGroup.run(group_id);
      statements.removeGroup(group_id);
      const members = deleteMembers.all(group_id) as { name: string | null }[];
      groups.delete(group_id);
      const ofTeam = members.filter(({ name }) => name !== null).length;
      addresses.charge(address ?? undefined, -GROUP_BYTES - ofTeam * ROW_BYTES);
    }
  }

  function write(groupId: string, member: Member, isOfTeam: boolean): void {
    const { mailbox, name, device, joined, lapsed, leaves, adder, rejoinedAt, awaySince } = member;
    putMember.run(
      groupId,
      mailbox,
      isOfTeam ? name : null,
      isOfTeam ? device : null,
      joined,
      lapsed ? 1 : null,
      leaves ? 1 : null,
      adder?.sender ?? null,
      adder?.address ?? null,
      rejoinedAt ?? null,
      awaySince ?? null,
    );
  }

  function addressOf(groupId: string): number | undefined {
    return (selectAddress.get(groupId) as { address: number | null } | undefined)?.address ?? undefined;
  }

  return {
    forget(): void {
      groups.clear();
    },
    find(groupId: string): Group | undefined {
      if (groups.has(groupId)) return groups.get(groupId);
      const row = selectGroup.get(groupId) as GroupRow | undefined;
      const members = selectMembers.all(groupId) as unknown as MemberRow[];
      // Of a removed account a sweep ends the groups of two, some at a time: nobody sends in them meanwhile.
      const isOver = row?.team !== 1 && members.some(({ gone }) => gone === 1);
      const group = row && toGroup(row, isOver ? [] : members);
      groups.set(groupId, group);
      return group;
    },
    member(groupId: string, mailbox: number): Member | undefined {
      const known = groups.get(groupId);
      if (known !== undefined) return known.isTeam ? known.members.get(mailbox) : undefined;
      const row = selectMember.get(groupId, mailbox) as MemberRow | undefined;
      return row && toMember(row);
    },
    /** A device that opens too many loses those that it has not used for longest. */
    open(groupId: string, group: Group, { mailbox, address }: Opener): void {
      const { epoch, used, isTeam, floor, members } = group;
      insertGroup.run(groupId, epoch, mailbox, address ?? null, used, isTeam ? 1 : null, floor);
      for (const member of members.values()) write(groupId, member, isTeam);
      groups.delete(groupId);
      addresses.charge(address, GROUP_BYTES + (isTeam ? members.size * ROW_BYTES : 0));
      if (!isTeam) remove(tooMany.all(mailbox, limits.groups));
    },
    advance(groupId: string, epoch: number, day: number): void {
      setEpoch.run(epoch, day, groupId);
      groups.delete(groupId);
    },
    /** Something was sent in it: asked for once a day. */
    use(groupId: string, day: number): void {
      setUsed.run(day, groupId);
      groups.delete(groupId);
    },
    /** A commit has ended an epoch of a team. */
    end(groupId: string, { epoch, floor, day, add, remove: gone }: Ended): void {
      endEpoch.run(epoch, floor, day, groupId);
      for (const mailbox of gone) deleteMember.run(groupId, mailbox);
      for (const member of add) write(groupId, member, true);
      groups.delete(groupId);
      addresses.charge(addressOf(groupId), (add.length - gone.length) * ROW_BYTES);
    },
    setPos(groupId: string, { pos, posBefore }: { pos: number; posBefore: number }): void {
      setPos.run(pos, posBefore, groupId);
      // Each message would have all members read again: what is remembered is changed, and forgotten if this is undone.
      Object.assign(groups.get(groupId) ?? {}, { pos, posBefore });
    },
    /** What is known of a member of a team has changed. */
    setMember(groupId: string, member: Member): void {
      write(groupId, member, true);
      groups.get(groupId)?.members.set(member.mailbox, member);
    },
    /** Teams in which an account has a device. */
    teamsOf(name: string): TeamOf[] {
      const rows = ofName.all(name) as unknown as (Pick<MemberRow, "device" | "lapsed" | "leaves"> & GroupOf)[];
      return rows.map(({ group_id, epoch, device, lapsed, leaves }) => ({
        groupId: group_id,
        epoch,
        device,
        lapsed: lapsed === 1,
        leaves: leaves === 1,
      }));
    },
    countTeamsOf(name: string, place: number | string): { all: number; here: number } {
      const { count, here } = countOfName.get(place, name) as { count: number; here: number };
      return { all: count, here };
    },
    lapseAll(mailbox: number): void {
      if (lapse.run(clock(), mailbox).changes > 0) groups.clear();
    },
    leaveAll(name: string): void {
      leave.run(clock(), name);
      // Those of two are over as soon as one of their mailboxes is closed.
      groups.clear();
    },
    removeMember(mailbox: number, limit: number): number {
      const rows = ofMember.all(mailbox, limit) as { group_id: string; team: number | null }[];
      for (const { group_id: group, team } of rows) {
        if (team === 1) lapse.run(clock(), mailbox);
        else {
          end.run(today(), group);
          deleteMembers.all(group);
        }
        groups.delete(group);
      }
      return rows.length;
    },
    sweep(limit: number): number {
      const mailDays = Math.ceil(limits.mailboxAge / DAY_MS) + 1;
      const days = Math.max(Math.ceil(limits.groupAge / DAY_MS), mailDays);
      const rows = [...unused.all(today() - days, limit), ...ended.all(today() - mailDays, limit)];
      remove(rows);
      return rows.length;
    },
  };
}

function toGroup(row: GroupRow, members: MemberRow[]): Group {
  return {
    isTeam: row.team === 1,
    epoch: row.epoch,
    floor: row.floor,
    pos: row.pos,
    posBefore: row.pos_before,
    used: row.used,
    members: new Map(members.map((member) => [member.mailbox, toMember(member)])),
  };
}

function toMember(row: MemberRow): Member {
  const { mailbox, name, device, joined, adder } = row;
  return {
    mailbox,
    name,
    device,
    joined,
    lapsed: row.lapsed === 1,
    leaves: row.leaves === 1,
    adder: adder === null ? undefined : { sender: adder, address: row.adder_address ?? undefined, stranger: true },
    rejoinedAt: row.rejoined_at ?? undefined,
    awaySince: row.away_since ?? undefined,
  };
}
