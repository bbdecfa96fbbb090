import type { DatabaseSync } from "node:sqlite";
import { type Addresses, ROW_BYTES } from "./addresses.ts";
import { BoundedMap } from "./bounded-map.ts";
import { DAY_MS, dayOf } from "./days.ts";
import type { Group } from "./decisions/work.ts";
import type { StoreLimits } from "./store.ts";

/** A group, its two members, and their places in indexes. */
export const GROUP_BYTES = 5 * ROW_BYTES;

export type Groups = ReturnType<typeof groupsTable>;

/** Whoever has opened a group, and is charged for it. */
export interface Opener {
  mailbox: number;
  address: number | undefined;
}

/** Groups: who may send in them, and which epoch they are in (RFC 9750, section 5.2: one commit ends each epoch). [P-6.3] */
export function groupsTable(
  db: DatabaseSync,
  addresses: Addresses,
  limits: Pick<StoreLimits, "groups" | "groupAge" | "mailboxAge">,
  clock: () => number,
) {
  const selectGroup = db.prepare("SELECT epoch, used FROM groups WHERE group_id = ?");
  const selectMembers = db.prepare(
    "SELECT mailbox, closed IS 'unregistered' AS gone FROM members JOIN mailboxes USING (mailbox) WHERE group_id = ?",
  );
  const insertGroup = db.prepare("INSERT INTO groups (group_id, epoch, opener, address, used) VALUES (?, 1, ?, ?, ?)");
  const insertMember = db.prepare("INSERT INTO members VALUES (?, ?)");
  const setEpoch = db.prepare("UPDATE groups SET epoch = ?, used = ? WHERE group_id = ?");
  const setUsed = db.prepare("UPDATE groups SET used = ? WHERE group_id = ?");
  const ofMember = db.prepare("SELECT group_id FROM members WHERE mailbox = ? LIMIT ?");
  const end = db.prepare("UPDATE groups SET ended = ? WHERE ended IS NULL AND group_id = ?");
  const tooMany = db.prepare(
    "SELECT group_id, address FROM groups WHERE opener = ? ORDER BY used DESC, rowid DESC LIMIT -1 OFFSET ?",
  );
  const unused = db.prepare("SELECT group_id, address FROM groups WHERE used < ? LIMIT ?");
  const ended = db.prepare("SELECT group_id, address FROM groups WHERE ended < ? LIMIT ?");
  const deleteGroup = db.prepare("DELETE FROM groups WHERE group_id = ?");
  const deleteMembers = db.prepare("DELETE FROM members WHERE group_id = ?");
  const groups = new BoundedMap<string, Group | undefined>();

  const today = (): number => dayOf(clock());

  function remove(rows: unknown[]): void {
    for (const { group_id, address } of rows as { group_id: string; address: number | null }[]) {
      deleteGroup.run(group_id);
      deleteMembers.run(group_id);
      groups.delete(group_id);
      addresses.charge(address ?? undefined, -GROUP_BYTES);
    }
  }

  return {
    forget(): void {
      groups.clear();
    },
    find(groupId: string): Group | undefined {
      if (groups.has(groupId)) return groups.get(groupId);
      const row = selectGroup.get(groupId) as { epoch: number; used: number } | undefined;
      const members = selectMembers.all(groupId) as { mailbox: number; gone: number }[];
      // Of a removed account a sweep ends the groups, some at a time: nobody sends in them meanwhile.
      const isOver = members.some(({ gone }) => gone === 1);
      const group = row && { ...row, members: isOver ? [] : members.map(({ mailbox }) => mailbox) };
      groups.set(groupId, group);
      return group;
    },
    /** A device that opens too many loses those that it has not used for longest. */
    open(groupId: string, group: Group, { mailbox, address }: Opener): void {
      insertGroup.run(groupId, mailbox, address ?? null, group.used);
      for (const member of group.members) insertMember.run(groupId, member);
      groups.set(groupId, group);
      addresses.charge(address, GROUP_BYTES);
      remove(tooMany.all(mailbox, limits.groups));
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
    /**
     * Ends some of the groups of a device that is gone for good: nobody can send in them. Their ids stay for as long as mail of
     * them could. @returns how many; fewer than `limit` are all that were left
     */
    removeMember(mailbox: number, limit: number): number {
      const rows = ofMember.all(mailbox, limit) as { group_id: string }[];
      for (const { group_id: group } of rows) {
        end.run(today(), group);
        deleteMembers.run(group);
        groups.delete(group);
      }
      return rows.length;
    },
    /** Forgets some of those that were not used for long, and the ids of those that have ended; returns how many. */
    sweep(limit: number): number {
      const mailDays = Math.ceil(limits.mailboxAge / DAY_MS) + 1;
      const days = Math.max(Math.ceil(limits.groupAge / DAY_MS), mailDays);
      const rows = [...unused.all(today() - days, limit), ...ended.all(today() - mailDays, limit)];
      remove(rows);
      return rows.length;
    },
  };
}
