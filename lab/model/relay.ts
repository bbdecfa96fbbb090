/** The relay: what it decides about commits and statements of teams is its own code, over tables that are numbers in a state. */
import { commitToTeam } from "../../packages/server/src/store/decisions/team-commit.ts";
import { keepStatement } from "../../packages/server/src/store/decisions/statement.ts";
import type { Group, Member, Work } from "../../packages/server/src/store/decisions/work.ts";
import type { CommitRequest, KeyAccount, StoreLimits } from "../../packages/server/src/store/store.ts";
import { certificate, type Commit, type Epoch, NAMES } from "./book.ts";
import { mailOf, type State, type Table } from "./state.ts";

const NOW = { now: 0, isFull: false };
const limits = { groupMembers: 1_000, accountGroups: 500, addressBytes: 1e9, accountBytes: 1e9 } as StoreLimits;
const NO_ROOM = { messages: 0, bytes: 0 };
const room = { all: NO_ROOM, strangers: NO_ROOM, ofStrangersAt: () => NO_ROOM, of: () => NO_ROOM };
const roomy = {
  mailboxMessages: 1e6,
  mailboxBytes: 1e9,
  handshakeMessages: 1e6,
  handshakeBytes: 1e9,
  noticeMessages: 1e6,
};

/** A device's mailbox. */
function mailbox(who: number, counter: number): number {
  return 100 * (who + 1) + counter;
}
export function ownerOf(box: number): { who: number; counter: number } {
  return { who: Math.floor(box / 100) - 1, counter: box % 100 };
}

/** A member's commit, if the relay takes it. @returns its refusal, if it does not */
export function submit(state: State, commit: Commit): string | undefined {
  const { on, by, plan } = commit;
  const added = plan.adds.filter((one) => one !== undefined);
  // Whoever makes a forbidden commit tells the relay of no members.
  const isTold = commit.verdict === undefined && commit.unfit !== -1;
  const add = isTold ? devices(added) : [];
  const remove = isTold ? devices(on.roster.filter(({ leaf }) => plan.removes.some((one) => one.leaf === leaf))) : [];
  const team = { add, remove, body: "Yw==", tree: add.length > 0 ? "dA==" : undefined };
  return decide(state, by, {
    commitId: String(commit.id),
    groupId: on.group,
    epoch: on.epoch,
    members: undefined,
    team,
    ...welcomes(add),
  });
}

/** A team that somebody founds. */
export function submitFounding(state: State, by: number, founded: Epoch): string | undefined {
  const members = devices(founded.roster);
  const team = { add: [], remove: [], body: undefined, tree: members.length > 1 ? "dA==" : undefined };
  const request = { commitId: `f${founded.id}`, groupId: founded.group, epoch: 1, members, team };
  return decide(state, by, { ...request, ...welcomes(members.slice(1)) });
}

function devices(some: readonly { name: string; device: string }[]): { username: string; device: string }[] {
  return some.map(({ name, device }) => ({ username: name, device }));
}

function welcomes(to: { username: string; device: string }[]): Pick<CommitRequest, "welcomes" | "messages" | "commit"> {
  const each = to.map(({ username, device }) => ({ to: username, device, welcome: "dw==" }));
  return { welcomes: each, messages: [], commit: undefined };
}

function decide(state: State, by: number, asked: Omit<CommitRequest, "sender">): string | undefined {
  const sender = accountOf(state, by);
  const { team } = asked;
  if (team === undefined) return "invalid_data";
  const answer = commitToTeam(workOf(state), sender, { ...asked, team, sender: sender.mailbox }, NOW);
  if ("refused" in answer) return answer.refused;
  if (asked.epoch > 1) tableOf(state, asked.groupId)!.log.push(Number(asked.commitId));
  return undefined;
}

/** Somebody wants to leave, or to be taken in again. */
export function keep(
  state: State,
  who: number,
  { group, kind, statements }: { group: string; kind: "leave" | "rejoin"; statements: number[] },
): string | undefined {
  const sender = mailbox(who, state.device[who]!);
  return keepStatement(workOf(state), { sender, groupId: group, kind, statement: statements.join() }, NOW)?.refused;
}

export function tableOf(state: State, group: string): Table | undefined {
  return state.relay.find((table) => table.group === group);
}

/** Whether the relay has a member under a name, whatever its device. */
export function memberIn(table: Table, who: number): Table["members"][number] | undefined {
  return table.members.find(({ box }) => ownerOf(box).who === who);
}

/** The relay learns of another device, or had to drop something of a group: the member gets nothing more of it. */
export function lapse(state: State, who: number, group?: string): void {
  for (const table of state.relay) {
    if (group !== undefined && table.group !== group) continue;
    table.members = table.members.map((one) => (ownerOf(one.box).who === who ? lapsed(one) : one));
  }
}

function accountOf(state: State, who: number): KeyAccount {
  const name = NAMES[who]!;
  const { device } = certificate(name, state.device[who]!);
  const box = mailbox(who, state.device[who]!);
  return {
    kind: "key",
    name,
    username: name,
    address: undefined,
    disabled: false,
    seen: 0,
    mailbox: box,
    identityKey: new Uint8Array(),
    device: { id: device } as KeyAccount["device"],
  };
}

/** A group as the relay's decisions see it. */
export function groupOf({ epoch, floor, members }: Table): Group {
  const all = members.map(({ box, joined, lapsed, leaves }): [number, Member] => {
    const { who, counter } = ownerOf(box);
    const { name, device } = certificate(NAMES[who]!, counter);
    return [
      box,
      {
        mailbox: box,
        name,
        device,
        joined,
        lapsed,
        leaves,
        awaySince: undefined,
        adder: undefined,
        rejoinedAt: undefined,
      },
    ];
  });
  return { isTeam: true, epoch, floor, pos: 0, posBefore: 0, members: new Map(all), used: 0 };
}

const lapsed = (row: Table["members"][number]) => ({ ...row, lapsed: true });
const rowOf = ({ mailbox: box, joined, lapsed, leaves }: Member) => ({ box, joined, lapsed, leaves });

const nobody = (): undefined => undefined;

/** What the decisions look up and write. There is room for everything, and nobody is blocked. */
function workOf(state: State): Work {
  const work = {
    limits: { ...limits, ...roomy },
    accounts: {
      find: (name: string) => accountOf(state, NAMES.indexOf(name)),
      owner: (box: number) => ({ name: NAMES[ownerOf(box).who] }),
    },
    peers: { standing: () => "peer" },
    groups: {
      find: (id: string) => {
        const table = tableOf(state, id);
        return table && groupOf(table);
      },
      open: (id: string, { epoch, floor, members }: Group) =>
        state.relay.push({ group: id, epoch, floor, members: [...members.values()].map(rowOf), log: [] }),
      end: (id: string, ended: Parameters<Work["groups"]["end"]>[1]) => {
        const table = tableOf(state, id)!;
        const members = table.members.filter(({ box }) => !ended.remove.includes(box));
        Object.assign(table, {
          epoch: ended.epoch,
          floor: ended.floor,
          members: [...members, ...ended.add.map(rowOf)],
        });
      },
      setMember: (id: string, member: Member) => {
        const table = tableOf(state, id)!;
        table.members = table.members.map((one) => (one.box === member.mailbox ? rowOf(member) : one));
      },
      countTeamsOf: () => ({ all: 0, here: 0 }),
    },
    statements: {
      put: (group: string, name: string, { kind, statement }: { kind: "leave" | "rejoin"; statement: string }) => {
        const who = NAMES.indexOf(name);
        state.wishes = state.wishes.filter((wish) => wish.group !== group || wish.who !== who);
        state.wishes.push({ group, who, kind, statements: statement === "" ? [] : statement.split(",").map(Number) });
      },
      remove: (group: string, names: string[]) => {
        state.wishes = state.wishes.filter((wish) => wish.group !== group || !names.includes(NAMES[wish.who]!));
      },
    },
    keyPackages: { used: nobody },
    blobs: { find: nobody },
    addresses: { bytes: () => 0, mail: () => 0 },
    mail: {
      room: () => room,
      add: ({ mailbox: box, kind, messageId }: { mailbox: number; kind: string; messageId: string }) => {
        const { who, counter } = ownerOf(box);
        if (state.device[who] === counter) state.box[who]!.push(mailOf(kind, messageId));
        return 1;
      },
      addBody: () => ({}),
    },
    isListening: () => true,
  };
  return work as unknown as Work;
}
