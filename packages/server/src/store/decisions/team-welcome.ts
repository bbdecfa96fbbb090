/** Who is added to a team, and what each of them gets. */
import type { CommitRequest, KeyAccount, NamedDevice, Refused, TeamChange } from "../store.ts";
import { payerOf } from "./payer.ts";
import { placeOf, roomObjection, sizeOf } from "./room.ts";
import { shareOf } from "./team.ts";
import { type Amount, each, type Payer, type Work } from "./work.ts";

/** Somebody who is added: its account, who is charged for its Welcome, and that. */
export interface Newcomer {
  account: KeyAccount;
  payer: Payer;
  welcome: string;
}

/** Whether each of those who are added has one Welcome, and there is a tree for them; nobody is named twice. */
export function isWhole(
  { welcomes, team }: { welcomes: CommitRequest["welcomes"]; team: TeamChange },
  add: NamedDevice[],
) {
  const names = new Set(add.map(({ username }) => username.toLowerCase()));
  return (
    names.size === add.length &&
    welcomes.length === add.length &&
    (team.tree === undefined) === (add.length === 0) &&
    welcomes.every(({ to }) => names.has(to.toLowerCase()))
  );
}

interface Adding extends Pick<CommitRequest, "welcomes"> {
  team: TeamChange;
  add: NamedDevice[];
  /** Names of those of them that are in the team already, and are removed by the same commit. */
  swapped: Set<string>;
}

/** The accounts that are added; refused, by name, if one cannot be. */
export function newcomers(
  work: Work,
  sender: KeyAccount,
  { add, welcomes, team, swapped }: Adding,
): Newcomer[] | Refused {
  const byName = new Map(welcomes.map((each) => [each.to.toLowerCase(), each]));
  const tree = treeText(team);
  const found = each(add, ({ username, device }): Newcomer | Refused => {
    const refuse = (refused: Refused["refused"]): Refused => ({ refused, username });
    const account = work.accounts.find(username);
    if (account === undefined || account.kind === "removed") return refuse("unknown_user");
    if (account.kind === "token") return refuse("encryption_required");
    if (account.disabled) return refuse("account_disabled");
    if (account.name === sender.name) return refuse("self_send");
    const given = byName.get(account.name);
    if (account.device.id !== device || given?.device !== device) return refuse("device_replaced");
    const payer = payerOf(work, sender, account.name);
    if (payer === undefined) return refuse("blocked");
    if (!swapped.has(account.name) && !takesTeam(work, account, payer)) return refuse("group_quota");
    const place = { mailbox: account.mailbox, kind: "welcome" } as const;
    const objection = roomObjection(work, place, payer, amountOf(given.welcome, tree, add.length));
    // Of its sender's own room there is too little for anybody.
    if (objection === "storage_quota") return { refused: objection };
    if (objection !== undefined) return refuse(objection);
    return { account, payer, welcome: given.welcome };
  });
  return found.find((one): one is Refused => "refused" in one) ?? (found as Newcomer[]);
}

/**
 * Whether an account may be added to one team more. Of those in which it has said nothing, whoever is at one address has at most half of
 * what the others leave: nobody alone keeps it from all other teams.
 */
function takesTeam({ groups, limits }: Work, { name }: KeyAccount, payer: Payer): boolean {
  const { all, here } = groups.countTeamsOf(name, placeOf(payer));
  return all < limits.accountGroups && here < Math.ceil((limits.accountGroups - (all - here)) / 2);
}

/** Gives each its Welcome, with the tree that they share. */
export function welcome(
  work: Work,
  sender: KeyAccount,
  added: Newcomer[],
  {
    groupId,
    commitId,
    epoch,
    team,
    now,
  }: Pick<CommitRequest, "groupId" | "commitId" | "epoch"> & { team: TeamChange; now: number },
): void {
  const tree = treeText(team);
  if (added.length === 0) return;
  const body = work.mail.addBody(tree, blobsOf(team.tree));
  for (const { account, payer, welcome: message } of added) {
    work.keyPackages.used(sender.mailbox, account.mailbox);
    work.mail.add({
      ...payer,
      mailbox: account.mailbox,
      from: sender.username,
      device: sender.device.id,
      kind: "welcome",
      message,
      sessionId: undefined,
      groupId,
      epoch,
      messageId: commitId,
      expiresAt: undefined,
      storedAt: now,
      bytes: amountOf(message, tree, added.length).bytes,
      status: undefined,
      reason: undefined,
      body,
    });
  }
}

/** Files that a body names. */
export function blobsOf(body: TeamChange["body"]): string[] {
  return typeof body === "object" ? [body.blob] : [];
}

function treeText({ tree }: TeamChange): string {
  return JSON.stringify({ tree });
}

function amountOf(message: string, tree: string, entries: number): Amount {
  const { bytes } = shareOf(tree, entries);
  return { messages: 1, bytes: bytes - sizeOf("", undefined) + sizeOf(message, undefined) };
}
