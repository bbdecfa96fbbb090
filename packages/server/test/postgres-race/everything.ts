import {
  change,
  changeTeam,
  keyActor,
  raceForInvite,
  raceForName,
  state,
  tokenActor,
  trade,
  upload,
} from "./accounts.ts";
import { DAY_MS } from "../../src/store/days.ts";
import { type Actor, bytes, pause, type Race } from "./race.ts";
import { again, burst, open, raceForEpoch, type Talk } from "./talk.ts";

/** Everything that relays do, all at once. @returns what must not be */
export async function everything(race: Race, ms: number, faults?: (race: Race) => Promise<void>): Promise<string[]> {
  const { dice } = race;
  const steady = await Promise.all(["anna", "berta", "carl"].map((name) => keyActor(race, name, true)));
  const loose = await Promise.all(["ulla", "vera", "wim"].map((name) => keyActor(race, name, false)));
  const tokens = await Promise.all(["tick", "tack"].map((name) => tokenActor(race, name, true)));
  const looseToken = await tokenActor(race, "tock", false);
  const nobody: Actor = race.actor("toll", undefined, true);
  const [anna, berta, carl] = steady as [Actor, Actor, Actor];
  const [ulla] = loose as [Actor, ...Actor[]];
  const keys = [...steady, ...loose];
  const pairs = [talk("p1", [anna, berta]), talk("p2", [berta, carl]), talk("p3", [anna, ulla])];
  const team = talk("s".repeat(64), [...steady], true);
  const looseTeam = talk("v".repeat(64), [...steady], true);
  const talks = [...pairs, team, looseTeam];
  for (const each of talks) await open(race, each);

  const running = [
    ...steady.map((actor) =>
      race.repeat(() => burst(race, actor, dice.of(talks.filter(({ members }) => members.includes(actor)))), 6),
    ),
    ...loose.map((actor) =>
      race.repeat(() => {
        const own = talks.filter(({ members }) => members.includes(actor));
        return own.length === 0 ? pause(5) : burst(race, actor, dice.of(own));
      }, 20),
    ),
    ...tokens.map((actor) => {
      const others = [...tokens, looseToken, nobody].filter((other) => other !== actor);
      return race.repeat(() => burst(race, actor, dice.of(others)), 10);
    }),
    race.repeat(() => again(race), 5),
    ...talks.map((each) => race.repeat(() => raceForEpoch(race, each), 80)),
    race.repeat(() => raceForName(race), 60),
    race.repeat(() => raceForInvite(race), 150),
    ...loose.map((actor) => race.repeat(() => change(race, actor), 250)),
    race.repeat(() => change(race, looseToken), 250),
    race.repeat(() => changeTeam(race, looseTeam, loose), 40),
    race.repeat(() => state(race, looseTeam, dice.of(loose)), 60),
    race.repeat(() => trade(race, keys), 25),
    race.repeat(() => upload(race, dice.of(keys), looseTeam), 30),
    race.repeat(() => listen(race, dice.of([...keys, ...tokens])), 10),
    race.repeat(() => small(race, dice.of([...keys, ...tokens])), 15),
    ...[0, 1].map(() =>
      race.repeat(async () => {
        race.now += dice.below(dice.chance(0.1) ? 700_000 : 500);
        if (race.isLong && dice.chance(0.3)) race.now += DAY_MS;
        await race.any.sweep();
        await race.any.blobs.removeOverdue(100);
      }, 60),
    ),
    race.repeat(async () => {
      const problems = await race.check();
      for (const problem of problems) race.ledger.find(`meanwhile ${problem}`);
    }, 700),
    ...(faults === undefined ? [] : [faults(race)]),
  ];
  await pause(ms * 0.6);
  // Somebody comes for whom there is mail.
  for (;;) {
    const made = await race.calm(() => race.any.registerToken("toll", bytes("t"), "192.0.2.1"), undefined);
    const known = await race.calm(() => race.any.account("toll"), undefined);
    if (known?.kind === "token") {
      nobody.account = known;
      race.follow(known.mailbox, "toll");
      break;
    }
    if (made !== undefined && "refused" in made) break;
  }
  await pause(ms * 0.4);
  return race.judge(running);
}

function talk(id: string, members: Actor[], isTeam = false): Talk {
  return { id, isTeam, members, epoch: isTeam ? 2 : 1 };
}

/** A connection comes, and goes perhaps. */
async function listen(race: Race, { account }: Actor): Promise<void> {
  const store = race.any;
  const mailbox = account?.mailbox ?? 0;
  const { claim, lastSeq } = await store.listen(mailbox);
  const { entries } = await store.entries(mailbox, lastSeq, { messages: 10, bytes: 1e6 });
  // What has come since then only.
  if (entries.some(({ seq }) => seq <= lastSeq)) race.ledger.find("a place was given twice");
  await pause(race.dice.below(30));
  if (race.dice.chance(0.7)) await store.unlisten(mailbox, claim);
}

async function small(race: Race, { account, isSteady, name }: Actor): Promise<void> {
  const { dice } = race;
  const mailbox = account?.mailbox ?? 0;
  const chance = dice.next();
  if (chance < 0.3) {
    const names = [dice.of(["anna", "berta", "carl", "ulla", "vera"]), `peer${dice.below(5)}`].filter(
      (one) => one !== name,
    );
    await race.any.setPeers(mailbox, { clear: dice.chance(0.2) ? "all" : undefined, allow: names, block: [] });
  } else if (chance < 0.5) await race.any.login(mailbox, race.unique());
  else if (chance < 0.6) race.any.entered(mailbox);
  else if (chance < 0.7 && !isSteady)
    for (const what of ["disable", "enable"] as const)
      await race.any.administer({ who: "x", what, target: name, release: false });
  else if (chance < 0.8) await race.any.countRefusals([{ hour: 0, reason: "r", who: "w", count: 1 }]);
  else await race.any.teamsOf(mailbox);
}
