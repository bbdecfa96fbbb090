import { createHash } from "node:crypto";
import type { TeamOf } from "../../src/store/store.ts";
import type { Model } from "./model.ts";
import type { Account, Entry, Payer, RoomKind } from "./records.ts";

export interface Member {
  mailbox: number;
  name: string;
  device: string;
  joined: number;
  lapsed: boolean;
  leaves: boolean;
  /** Since when it gets nothing. */
  awaySince: number | undefined;
  /** Its account was removed: whoever has its name next is somebody else. */
  gone: boolean;
  /** Who pays for what it gets, until it has said something. */
  adder: Payer | undefined;
  rejoinedAt: number | undefined;
}
export interface Statement {
  kind: "leave" | "rejoin";
  text: string;
  /** Who had it last, how many have, when, and when it was looked last for somebody in vain. */
  to: number;
  tries: number;
  at: number;
  soughtAt: number;
}
export interface Team {
  id: string;
  epoch: number;
  /** Somebody was removed by the commit that opened this epoch. */
  hasRemoved: boolean;
  /** Messages of each epoch. */
  said: Map<number, number>;
  members: Member[];
  used: number;
  statements: Map<string, Statement>;
}

/** Teams as docs/protocol.md has them. [P-5.11, P-6.9 to P-6.12] */
export class ModelTeams {
  readonly all = new Map<string, Team>();

  /** Whose room an entry takes: that of its team, or that of its kind. */
  roomOf({ sender, kind }: Entry): RoomKind | "notice" {
    if (sender.length === 64) return "group";
    return kind === "direct" || kind === "stub" ? "application" : kind;
  }

  member(id: string, mailbox: number): Member | undefined {
    return this.all.get(id)?.members.find((member) => member.mailbox === mailbox);
  }

  has(mailbox: number): boolean {
    return [...this.all.values()].some(({ members }) => members.some((member) => member.mailbox === mailbox));
  }

  /** Teams in which an account has a device. */
  listed(name: string): TeamOf[] {
    return [...this.all.values()].flatMap(({ id: groupId, epoch, members }) =>
      members
        .filter((member) => member.name === name && !member.gone)
        .map(({ device, lapsed, leaves }) => ({ groupId, epoch, device, lapsed, leaves })),
    );
  }

  /** Those of them that it has not left. */
  of(name: string): TeamOf[] {
    return this.listed(name).filter(({ leaves }) => !leaves);
  }

  /** Those in which it has said nothing, by whoever has the address of this adder. */
  unsaid(name: string, address: string): number {
    return [...this.all.values()].filter(({ members }) =>
      members.some((one) => one.name === name && !one.leaves && !one.gone && one.adder?.address === address),
    ).length;
  }

  admits({ epoch: present, hasRemoved }: Team, epoch: number): boolean {
    return epoch === present || (epoch === present - 1 && epoch > 1 && !hasRemoved);
  }

  /** Others that had joined by an epoch, in the order in which they are written to. */
  others({ members }: Team, sender: number, epoch: number): Member[] {
    return members
      .filter(({ mailbox, joined }) => mailbox !== sender && joined <= epoch)
      .toSorted((one, other) => one.mailbox - other.mailbox);
  }

  /** Those that got nothing of an epoch at some time, and are members still. */
  awayAt(id: string, sender: number, { epoch, at }: { epoch: number; at: number }): string[] {
    const team = this.all.get(id);
    const others = team === undefined ? [] : this.others(team, sender, epoch);
    return others.filter(({ awaySince }) => (awaySince ?? Infinity) <= at).map(({ name }) => name);
  }

  /** Whose room something takes. Of a sender whose address is not known it is at its payer's place. */
  payer({ id }: Team, { adder }: Member, { username, address }: Account): Payer {
    const room = adder ?? { sender: id, stranger: false };
    return { ...room, address: address === username.toLowerCase() ? room.sender : address };
  }

  /** A device is replaced, or its account removed. */
  lapseAll(mailbox: number, now: number): void {
    for (const { members } of this.all.values())
      for (const member of members)
        if (member.mailbox === mailbox) Object.assign(member, { lapsed: true, awaySince: member.awaySince ?? now });
  }

  removeAll(name: string, now: number): void {
    for (const { members, statements } of this.all.values())
      for (const member of members)
        if (member.name === name) {
          member.gone = member.lapsed = true;
          member.awaySince ??= now;
          if (statements.get(name)?.kind === "rejoin") statements.delete(name);
        }
  }

  /** It has lost something of a team, and is told so. */
  lapse(model: Model, team: Team, member: Member, id: string): void {
    member.lapsed = true;
    member.awaySince ??= model.now;
    const notice = { kind: "notice", from: "", reason: "lapsed", id, group: team.id } as const;
    const payer = { sender: member.name, address: "", stranger: false };
    model.add({ ...notice, ...payer, mailbox: member.mailbox, expires: undefined, unknown: false });
  }

  /** What has waited for too long goes: whoever needs it for this team has lapsed. */
  lose(model: Model, { kind, group, mailbox, epoch = 0, id }: Entry): void {
    const team = this.all.get(group ?? "");
    const member = this.member(group ?? "", mailbox);
    if (team === undefined || member === undefined || kind === "notice" || member.lapsed) return;
    if (epoch >= member.joined) this.lapse(model, team, member, id);
  }

  toStub(entry: Entry): void {
    const { message } = JSON.parse(entry.text ?? "") as { message: string };
    const digest = createHash("sha256").update(Buffer.from(message, "base64")).digest("base64");
    Object.assign(entry, { kind: "stub", expires: undefined, text: undefined, message: digest });
  }

  /** @param day Those that were not used since are forgotten. */
  forget(day: number): void {
    for (const [id, { used }] of this.all) if (used < day) this.all.delete(id);
  }
}
