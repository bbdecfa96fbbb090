import { GROUP_BYTES, ROW_BYTES } from "../../charges.ts";
import type { Member } from "../../decisions/work.ts";
import { givingBack } from "./charges.ts";
import { tableWrites } from "./columns.ts";

export interface GroupRow {
  group_id: string;
  epoch: number;
  /** A mailbox. */
  opener: number | null;
  address: number | null;
  /** The day of its last use, counted from 1970, and that on which its members went. */
  used: number;
  ended: number | null;
  team: boolean;
  floor: number;
  pos: number;
  pos_before: number;
}

export interface MemberRow {
  group_id: string;
  mailbox: number;
  name: string;
  device: string;
  team: boolean;
  joined: number;
  lapsed: boolean;
  leaves: boolean;
  away_since: number | null;
  adder: string | null;
  adder_address: number | null;
  rejoined_at: number | null;
}

export const groupWrites = tableWrites<GroupRow>("groups", ["group_id"], {
  group_id: "text",
  epoch: "bigint",
  opener: "bigint",
  address: "bigint",
  used: "bigint",
  ended: "bigint",
  team: "boolean",
  floor: "bigint",
  pos: "bigint",
  pos_before: "bigint",
});

export const memberWrites = tableWrites<MemberRow>("members", ["group_id", "mailbox"], {
  group_id: "text",
  mailbox: "bigint",
  name: "text",
  device: "text",
  team: "boolean",
  joined: "bigint",
  lapsed: "boolean",
  leaves: "boolean",
  away_since: "bigint",
  adder: "text",
  adder_address: "bigint",
  rejoined_at: "bigint",
});

export function toMember(row: MemberRow): Member {
  const { mailbox, name, device, joined, lapsed, leaves, adder } = row;
  return {
    mailbox,
    name,
    device,
    joined,
    lapsed,
    leaves,
    adder: adder === null ? undefined : { sender: adder, address: row.adder_address ?? undefined, stranger: true },
    rejoinedAt: row.rejoined_at ?? undefined,
    awaySince: row.away_since ?? undefined,
  };
}

export function toMemberRow(groupId: string, member: Member, team: boolean): MemberRow {
  const { mailbox, name, device, joined, lapsed, leaves, adder } = member;
  return {
    group_id: groupId,
    mailbox,
    name,
    device,
    team,
    joined,
    lapsed,
    leaves,
    away_since: member.awaySince ?? null,
    adder: adder?.sender ?? null,
    adder_address: adder?.address ?? null,
    rejoined_at: member.rejoinedAt ?? null,
  };
}

/** Groups go with their members, and give back what they were charged. */
function forgetting(which: string): string {
  return givingBack(
    `SELECT address, ${GROUP_BYTES} + ${ROW_BYTES} * coalesce(teams, 0) AS bytes FROM old LEFT JOIN counts USING (group_id)`,
    `old AS (DELETE FROM groups WHERE group_id IN (${which}) RETURNING group_id, address),
      parted AS (DELETE FROM members WHERE group_id IN (SELECT group_id FROM old) RETURNING group_id, team),
      counts AS (SELECT group_id, count(*) FILTER (WHERE team) AS teams FROM parted GROUP BY group_id),`,
  );
}

export const FORGET = forgetting("SELECT unnest($2::text[])");
export const SURPLUS = forgetting(
  "SELECT group_id FROM groups WHERE opener = $2 AND NOT team AND group_id <> $4::text ORDER BY used DESC, number DESC OFFSET $3::bigint - 1",
);
