import { BlockedGroups } from "../../src/store/blocked-groups.ts";
import type { CommitRequest, KeyAccount, NamedDevice, SendRequest } from "../../src/store/store.ts";
import type { Said } from "./ledger.ts";
import { type Actor, pause, type Race } from "./race.ts";

/** A conversation as its members believe that it is. */
export interface Talk {
  id: string;
  isTeam: boolean;
  members: Actor[];
  epoch: number;
}

/** In every burst one in so many is wrong on purpose. */
const WRONG = 0.04;

/** Sends some, one behind the other without waiting, as one connection does; what failed is sent again by another relay. */
export async function burst(race: Race, by: Actor, talk: Talk | Actor): Promise<void> {
  const { dice, ledger } = race;
  if (by.account === undefined) return;
  const many = dice.chance(0.4) ? 1 : 1 + dice.below(10);
  const all = Array.from({ length: many }, () => compose(race, by, talk));
  const isTwin = many === 1 && all[0]?.request.messageId !== undefined && dice.chance(0.4);
  const group = all[0]?.request.groupId ?? "";
  const wasBlocked = by.blocked.has(group);
  const store = race.stores[by.store];
  if (store === undefined) return;
  const ask = async (said: Said, at = store, blocked = by.blocked): Promise<boolean> => {
    const answer = await race.calm(() => at.send(said.request, blocked), undefined);
    if (answer !== undefined) ledger.answered(said, answer);
    return answer !== undefined;
  };
  const asked = all.map((said) => ask(said));
  if (isTwin && all[0] !== undefined) asked.push(ask(all[0], race.any, new BlockedGroups()));
  const answered = await Promise.all(asked);
  if (!isTwin && answered.every(Boolean)) judgeBurst(race, all, wasBlocked);
  for (const said of all) {
    if (said.answers.length > 0) continue;
    said.isResent = true;
    if (said.request.messageId === undefined) said.isLosable = true;
    else while (!(await ask(said, race.any, new BlockedGroups()))) await pause(20);
  }
  // Only when all is answered a connection is given up for another one.
  if (dice.chance(0.2) || race.dead.has(by.store)) {
    by.store = race.anyNumber;
    by.blocked = new BlockedGroups();
  }
}

/** After a refusal nothing of the same conversation is taken until its sender knows of it. */
function judgeBurst({ ledger }: Race, all: Said[], wasBlocked: boolean): void {
  let isBlocked = wasBlocked;
  for (const { request, answers, text } of all) {
    if (request.groupId === undefined || request.direct === true) continue;
    if (request.resume === true) isBlocked = false;
    const refused = answers.some((answer) => "refused" in answer);
    if (isBlocked && !refused) ledger.find(`${text} was taken behind one that was refused`);
    isBlocked ||= refused;
  }
}

function compose(race: Race, by: Actor, talk: Talk | Actor): Said {
  const { dice, ledger, now } = race;
  const number = race.unique();
  const sender = by.account?.mailbox ?? 0;
  const text = `${by.name} ${number}`;
  const isOfTokens = !("members" in talk);
  const isTeam = !isOfTokens && talk.isTeam;
  const isDirect = isTeam && dice.chance(0.15);
  const others = isOfTokens ? [talk] : talk.members.filter((member) => member !== by);
  const to = dice.of(others);
  const mayExpire = !isTeam && dice.chance(0.1);
  const epoch = isOfTokens ? undefined : talk.epoch + (dice.chance(WRONG) ? 3 : 0);
  const request: SendRequest = {
    sender,
    to: isTeam && !isDirect ? undefined : to.name,
    direct: isDirect,
    message: text,
    sessionId: undefined,
    groupId: isOfTokens ? undefined : talk.id,
    epoch,
    messageId: isTeam || dice.chance(0.8) ? `m${number}` : undefined,
    expiresAt: mayExpire ? now + 1 + dice.below(20_000) : undefined,
    resume: dice.chance(0.6),
  };
  const isLosable = mayExpire || race.isLong || others.some(({ isSteady }) => !isSteady);
  const said: Said = { text, by: by.name, to: to.name, request, isLosable, isResent: false, answers: [] };
  ledger.said.push(said);
  return said;
}

/** Something that was answered before is sent once more, by any relay. */
export async function again(race: Race): Promise<void> {
  const { dice, ledger } = race;
  const recent = ledger.said.slice(-200).filter(({ answers, request }) => {
    return request.messageId !== undefined && answers.some((answer) => !("refused" in answer));
  });
  // What was asked days ago is forgotten.
  if (recent.length === 0 || race.isLong) return;
  const said = dice.of(recent);
  const answer = await race.any.send(said.request, new BlockedGroups());
  if (!("refused" in answer) || !said.isLosable) ledger.answered(said, answer);
}

/** All members try to end the epoch at once, by different relays. */
export async function raceForEpoch(race: Race, talk: Talk): Promise<void> {
  const { dice } = race;
  const { epoch } = talk;
  const some = talk.members.filter(({ account }) => account !== undefined && dice.chance(0.7));
  await Promise.all(some.map((by) => commit(race, by, talk, epoch)));
  talk.epoch = race.ledger.commits.has(`${talk.id} ${epoch}`) ? epoch + 1 : talk.epoch;
}

async function commit(race: Race, by: Actor, talk: Talk, epoch: number): Promise<void> {
  const request = { ...plainCommit(race, by, talk), epoch };
  const text = `first ${race.unique()}`;
  if (!talk.isTeam && race.dice.chance(0.5)) {
    const to = talk.members.find((member) => member !== by);
    const first = { to: to?.name ?? "", message: text, messageId: text, expiresAt: undefined };
    request.messages = [first];
  }
  await ask(race, by, request);
}

/** Asks until there is an answer: sometimes twice at once. */
export async function ask(race: Race, by: Actor, request: CommitRequest): Promise<boolean> {
  const { dice, ledger } = race;
  const one = { group: request.groupId, epoch: request.epoch, id: request.commitId, by: by.name };
  const times = dice.chance(0.2) ? 2 : 1;
  let isDone = false;
  for (let tries = 0; tries < 100; tries++) {
    const answers = await Promise.all(
      Array.from({ length: times }, () => race.calm(() => race.any.commit(request), undefined)),
    );
    for (const answer of answers) {
      if (answer === undefined) continue;
      ledger.committed(one, answer);
      isDone ||= !("refused" in answer);
    }
    if (answers.some((answer) => answer !== undefined)) break;
    await pause(20);
  }
  return isDone;
}

export function plainCommit(race: Race, { account }: Actor, { id, isTeam, epoch }: Talk): CommitRequest {
  const commitId = `c${race.unique()}`;
  return {
    sender: account?.mailbox ?? 0,
    commitId,
    groupId: id,
    epoch,
    members: undefined,
    team: isTeam ? { add: [], remove: [], body: commitId, tree: undefined } : undefined,
    commit: isTeam ? undefined : commitId,
    welcomes: [],
    messages: [],
  };
}

export function named({ username, device }: KeyAccount): NamedDevice {
  return { username, device: device.id };
}

/** Opens a conversation. */
export async function open(race: Race, talk: Talk): Promise<void> {
  const [by] = talk.members;
  const [own, ...others] = talk.members.map(({ account }) => account as KeyAccount);
  if (by === undefined || own === undefined) return;
  const welcomes = others.map(({ username, device }) => ({ to: username, device: device.id, welcome: "welcome" }));
  await ask(race, by, {
    ...plainCommit(race, by, talk),
    epoch: talk.isTeam ? 1 : 0,
    members: [own, ...others].map(named),
    commit: undefined,
    team: talk.isTeam ? { add: [], remove: [], body: undefined, tree: "tree" } : undefined,
    welcomes,
  });
}
