import type { DatabaseSync } from "node:sqlite";
import { BoundedMap } from "./bounded-map.ts";

export interface Group {
  epoch: number;
  /** Mailboxes of the member devices; none if an account of the group was removed. */
  members: number[];
}

export type Groups = ReturnType<typeof groupsTable>;

/** Groups: who may send in them, and which epoch they are in (RFC 9750, section 5.2: one commit ends each epoch). */
export function groupsTable(db: DatabaseSync) {
  const selectGroup = db.prepare("SELECT epoch FROM groups WHERE group_id = ?");
  const selectMembers = db.prepare("SELECT mailbox FROM members WHERE group_id = ?");
  const insertGroup = db.prepare("INSERT INTO groups VALUES (?, ?)");
  const insertMember = db.prepare("INSERT INTO members VALUES (?, ?)");
  const setEpoch = db.prepare("UPDATE groups SET epoch = ? WHERE group_id = ?");
  const removeMember = db.prepare(
    "DELETE FROM members WHERE group_id IN (SELECT group_id FROM members WHERE mailbox = ?)",
  );
  const groups = new BoundedMap<string, Group | undefined>();

  return {
    forget(): void {
      groups.clear();
    },
    find(groupId: string): Group | undefined {
      if (groups.has(groupId)) return groups.get(groupId);
      const row = selectGroup.get(groupId) as { epoch: number } | undefined;
      const members = selectMembers.all(groupId) as { mailbox: number }[];
      const group = row && { epoch: row.epoch, members: members.map(({ mailbox }) => mailbox) };
      groups.set(groupId, group);
      return group;
    },
    open(groupId: string, members: number[]): void {
      insertGroup.run(groupId, 1);
      for (const mailbox of members) insertMember.run(groupId, mailbox);
      groups.set(groupId, { epoch: 1, members });
    },
    advance(groupId: string, epoch: number): void {
      setEpoch.run(epoch, groupId);
      groups.delete(groupId);
    },
    /** Nobody can send in a removed device's groups any more. Their ids stay, so that they are never used again. */
    removeMember(mailbox: number): void {
      removeMember.run(mailbox);
      groups.clear();
    },
  };
}
