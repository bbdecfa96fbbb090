import { BlockedGroups } from "../../src/store/blocked-groups.ts";
import type { KeyAccount, Refused } from "../../src/store/store.ts";
import { type Actor, bytes, type Race, taken } from "./race.ts";
import { named, plainCommit, type Talk, ask } from "./talk.ts";

/** Several want a name that is new, at different relays: one has it. */
export async function raceForName(race: Race): Promise<void> {
  const { dice, ledger } = race;
  const name = `new${race.unique()}`;
  const some = Array.from({ length: 2 + dice.below(3) }, (_, at) => {
    const device = race.device(name, 1, `identity ${at}`);
    return race.calm<object, undefined>(
      () =>
        dice.chance(0.5)
          ? race.any.registerToken(name, bytes(`${at}`), race.address(name))
          : race.any.registerDevice(device),
      undefined,
    );
  });
  const answers = await Promise.all(some);
  const won = answers.filter((answer) => answer !== undefined && !("refused" in answer));
  const unknown = answers.filter((answer) => answer === undefined);
  if (won.length > 1 || won.length + unknown.length === 0) ledger.find(`${won.length} have ${name}`);
  ledger.count("names");
  if (dice.chance(0.5)) await race.any.administer({ who: "x", what: "remove", target: name, release: false });
  // Twice at once, of which one has something to do.
  if (dice.chance(0.5)) {
    const release = { who: "x", what: "remove", target: name, release: true } as const;
    await Promise.all([race.any.administer(release), race.any.administer(release)]);
  }
}

/** An invite is good for as many names as it says. */
export async function raceForInvite(race: Race): Promise<void> {
  const { dice, ledger } = race;
  const number = race.unique();
  const hash = Buffer.from(`${number}`.padEnd(32)).toString("hex");
  const uses = 1 + dice.below(3);
  const invite = { hash, uses, expiresAt: race.now + 1e9 };
  const deed = { who: "x", what: "invite", target: `${number}`, release: false, invite } as const;
  if ((await race.calm(() => race.any.administer(deed), undefined)) === undefined) return;
  const answers = await Promise.all(
    Array.from({ length: 5 }, (_, at) =>
      race.calm(
        () => race.any.registerToken(`by${number}x${at}`, bytes("t"), "192.0.2.3", { invite: hash }),
        undefined,
      ),
    ),
  );
  const won = answers.filter((answer) => answer !== undefined && !("refused" in answer)).length;
  const unknown = answers.filter((answer) => answer === undefined).length;
  if (won > uses || won + unknown < uses) ledger.find(`${won} have come by an invite for ${uses}`);
}

/** A new device of an account, by one or two relays at once; or it is removed, and comes again. */
export async function change(race: Race, actor: Actor): Promise<void> {
  const { dice } = race;
  const { account, name } = actor;
  if (account === undefined) {
    const isToken = name.startsWith("t");
    const made = isToken
      ? await race.any.registerToken(name, bytes("t"), race.address(name))
      : await race.any.registerDevice(race.device(name, race.unique()));
    if ("refused" in made) return;
    actor.account = "account" in made ? made.account : made;
    race.follow(actor.account.mailbox, name);
    return;
  }
  actor.blocked = new BlockedGroups();
  if (account.kind === "token" || dice.chance(0.2)) {
    const twice = dice.chance(0.5) ? 2 : 1;
    const all = await Promise.all(
      Array.from({ length: twice }, () => race.calm(() => race.any.removeAccount(account.mailbox, true), undefined)),
    );
    if (all.filter((done) => done === true).length > 1) race.ledger.find(`${name} was removed twice`);
    actor.account = undefined;
    return;
  }
  const device = race.device(name, race.unique());
  const rival = dice.chance(0.5) ? race.device(name, race.unique()) : device;
  const answers = await Promise.all(
    [device, rival].map((each) => race.calm(() => race.any.registerDevice(each), undefined)),
  );
  const made = answers.flatMap((answer) => (answer === undefined || "refused" in answer ? [] : [answer.account]));
  const newest = made.toSorted((one, other) => one.device.counter - other.device.counter).at(-1);
  for (const { mailbox } of made) race.follow(mailbox, name);
  if (newest !== undefined) actor.account = newest;
  if (answers.includes(undefined)) {
    const known = await race.calm(() => race.any.account(name), undefined);
    if (known?.kind === "key") {
      actor.account = known;
      race.follow(known.mailbox, name);
    }
  }
}

/** Somebody of a team lets others in, or out. */
export async function changeTeam(race: Race, talk: Talk, all: Actor[]): Promise<void> {
  const { dice } = race;
  const by = dice.of(talk.members);
  if (by.account === undefined) return;
  const about = dice.of(all.filter((actor) => actor !== by));
  const account = about.account as KeyAccount | undefined;
  const past = teams.get(race)?.get(about.name);
  const request = plainCommit(race, by, talk);
  const remove = past === undefined || dice.chance(0.1) ? [] : [past];
  const add = account === undefined || dice.chance(0.3) ? [] : [account];
  const team = { add: add.map(named), remove, body: request.commitId, tree: add.length > 0 ? "tree" : undefined };
  const welcomes = add.map(({ username, device }) => ({ to: username, device: device.id, welcome: "welcome" }));
  if (!(await ask(race, by, { ...request, team, welcomes }))) return;
  talk.epoch = Math.max(talk.epoch, request.epoch + 1);
  const known = teams.get(race) ?? new Map<string, { username: string; device: string }>();
  teams.set(race, known);
  if (remove.length > 0) known.delete(about.name);
  for (const one of add) known.set(about.name, named(one));
  talk.members = talk.members.filter((member) => member !== about || add.length > 0);
  if (add.length > 0 && !talk.members.includes(about)) talk.members.push(about);
}

/** Who was let in, and with which device. */
const teams = new WeakMap<Race, Map<string, { username: string; device: string }>>();

/** Says that it leaves, or wants to be in again; and some relay offers what was said. */
export async function state(race: Race, talk: Talk, by: Actor): Promise<void> {
  const { dice } = race;
  const kind = dice.chance(0.5) ? "leave" : "rejoin";
  const sender = by.account?.mailbox ?? 0;
  const request = { sender, groupId: talk.id, kind, statement: "c3RhdGVtZW50" } as const;
  if (dice.chance(0.5)) await race.any.keepStatement(request);
  const newcomers = talk.members.flatMap(({ account }) => (account === undefined ? [] : [account.mailbox]));
  await Promise.all([race.any.offers(), race.any.offers(newcomers)]);
}

/** Packages are published and claimed by everybody at once. */
export async function trade(race: Race, actors: Actor[]): Promise<void> {
  const { dice, ledger } = race;
  const one = dice.of(actors);
  const mailbox = one.account?.mailbox ?? 0;
  const fresh = Array.from({ length: 2 }, () => bytes(`package ${race.unique()}`));
  const publish = (replace: boolean): Promise<number | Refused> =>
    race.any.publishKeys(mailbox, fresh, bytes(`last ${one.name}`), replace);
  const claim = async (): Promise<void> => {
    const by = dice.of(actors);
    const claimant = by.account?.mailbox ?? 0;
    const answer = await race.any.claimKeys(claimant, one.name, dice.chance(0.7));
    if ("refused" in answer || answer.lastResort) return;
    ledger.handedOut(answer.keyPackage, claimant, answer.remaining !== undefined);
  };
  // The same once more, as after an answer that was lost.
  await Promise.all([publish(dice.chance(0.2)), claim(), claim(), publish(false), claim()]);
}

/** Files come, are named, and go. */
export async function upload(race: Race, by: Actor, talk: Talk): Promise<void> {
  const { dice } = race;
  const mailbox = by.account?.mailbox ?? 0;
  const blob = {
    mailbox,
    requestId: `r${race.unique()}`,
    bytes: 1 + dice.below(200_000),
    readers: 1,
    readHash: bytes("r"),
    tokenHash: bytes("t"),
    ttl: dice.chance(0.5) ? 10_000 : undefined,
  };
  const [made, same] = await Promise.all([race.any.blobs.reserve(blob), race.any.blobs.reserve(blob)]);
  if ("refused" in made || "refused" in same) return;
  if (made.id !== same.id && blob.ttl === undefined && !race.isLong)
    race.ledger.find(`${made.id} and ${same.id} are one file`);
  const { id } = made;
  const half = Math.floor(blob.bytes / 2);
  const moved = await Promise.all([race.any.blobs.advance(id, 0, half), race.any.blobs.advance(id, 0, half)]);
  if (half > 0 && moved.every(Boolean)) race.ledger.find(`${id} was moved on twice`);
  if (dice.chance(0.2)) return;
  await Promise.all([race.any.blobs.seal(id), dice.chance(0.2) ? race.any.blobs.remove(id, mailbox) : true]);
  race.ledger.count("files");
  const fate = dice.next();
  if (fate < 0.25) return;
  if (fate < 0.5) {
    await race.any.blobs.remove(id, dice.chance(0.5) ? mailbox : "token");
    return;
  }
  const request = plainCommit(race, by, talk);
  const team = { add: [], remove: [], body: { blob: id } as never, tree: undefined };
  if (await ask(race, by, { ...request, team })) talk.epoch = Math.max(talk.epoch, request.epoch + 1);
}

export async function keyActor(race: Race, name: string, isSteady: boolean): Promise<Actor> {
  const made = taken(await race.any.registerDevice(race.device(name, race.unique())));
  return race.actor(name, made.account, isSteady);
}

export async function tokenActor(race: Race, name: string, isSteady: boolean): Promise<Actor> {
  return race.actor(name, taken(await race.any.registerToken(name, bytes("t"), race.address(name))), isSteady);
}
