import { BlockedGroups } from "../../src/store/blocked-groups.ts";
import * as fc from "fast-check";
import { expect } from "vitest";
import type { CommitRequest, NamedDevice, Offer, SendRequest } from "../../src/store/store.ts";
import { boxOf, type Command, command, expires, id, name, off, old } from "./command.ts";
import type { Model } from "./model.ts";
import type { Places } from "./places.ts";
import { type Reasons, say, state, teamCommit } from "./team-decisions.ts";

const TEAMS = ["t", "u", "v", "w"].map((letter) => letter.repeat(64));
const team = fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3);
const names = fc.uniqueArray(fc.constantFrom("Alice", "bob", "BOB", "Carol", "dave"), { maxLength: 3 });
const isMostly = fc.constantFrom(true, true, true, true, false);
const to = fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: name });
const messageIds = fc.nat({ max: 30 }).map(String);
const LATE_MS = 60_000;

/** Compares what the store says with what the model does: any of the reasons, or the answer. */
function judge(places: Places, result: unknown, wanted: { reasons: Reasons } | { answer: object | undefined }): void {
  if ("reasons" in wanted) {
    const { refused, username } = (result ?? {}) as { refused?: string; username?: string };
    const shown = username === undefined ? { refused } : { refused, username };
    expect(wanted.reasons).toContainEqual(shown);
  } else if (wanted.answer === undefined) expect(result).toBeUndefined();
  else expect(result).toMatchObject(places.answer(wanted.answer));
}

/** A device as it is, or one that it might be. */
function named(model: Model, username: string, isWrong: boolean): NamedDevice {
  const counter = (model.account(username)?.counter ?? 1) + (isWrong ? 1 : 0);
  return { username, device: `${username.toLowerCase()}-${counter}` };
}

/** What of a commit is not as it should be. */
type Fault = "none" | "device" | "welcome" | "tree" | "body" | "twice";
const fault: fc.Arbitrary<Fault> = fc.constantFrom(
  "none",
  "none",
  "none",
  "none",
  "none",
  "device",
  "welcome",
  "tree",
  "body",
  "twice",
);

function request(
  model: Model,
  from: number,
  asked: Asked,
): CommitRequest & { team: NonNullable<CommitRequest["team"]> } {
  const { groupId, epoch, commitId, add, remove, founds, wrong } = asked;
  const others = add.map((username) => named(model, username, wrong === "device"));
  const own = { username: model.name(from), device: `${model.name(from)}-${model.boxes.get(from)?.counter ?? 1}` };
  const members = model.teams.all.get(groupId)?.members ?? [];
  const inTeam = (username: string): NamedDevice => {
    const found = members.find((member) => member.name === username.toLowerCase());
    return { username, device: found?.device ?? "none" };
  };
  const twice = wrong === "twice" ? [{ ...own, username: own.username.toUpperCase() }] : [];
  const welcomed = wrong === "welcome" ? others.slice(1) : others;
  return {
    sender: from,
    commitId,
    groupId,
    epoch,
    members: founds ? [own, ...others, ...twice] : undefined,
    team: {
      add: founds ? [] : others,
      remove: founds ? [] : remove.map(inTeam),
      body: founds !== (wrong === "body") ? undefined : "Ym9keQ==",
      tree: others.length > 0 !== (wrong === "tree") ? "dHJlZQ==" : undefined,
    },
    commit: undefined,
    welcomes: welcomed.map(({ username, device }) => ({ to: username, device, welcome: `to ${username}` })),
    messages: [],
  };
}

interface Asked {
  groupId: string;
  epoch: number;
  commitId: string;
  add: string[];
  remove: string[];
  founds: boolean;
  wrong: Fault;
}

export const asFounding = (from: string, at: number, add: string[], commitId: string, wrong: Fault = "none"): Command =>
  command(
    `${from} founds team ${at} with ${add.join(", ")} by ${commitId}, wrong: ${wrong}`,
    async (model, { store, places }) => {
      const asked = { groupId: TEAMS[at] ?? "", epoch: 1, commitId, add, remove: [], founds: true, wrong };
      const made = request(model, boxOf(model, from, false), asked);
      judge(places, await store.commit(made), teamCommit(model, made));
    },
  );
export const founds = fc.tuple(name, team, names, id, fault).map((all) => asFounding(...all));

export const changes = fc
  .tuple(name, old, team, off, id, names, fc.uniqueArray(name, { maxLength: 2 }), fault)
  .map(([from, isOld, at, offset, commitId, more, remove, wrong]) => {
    const add = more.slice(0, 2);
    const what = `adds ${add.join(", ")}, removes ${remove.join(", ")}`;
    return command(
      `${from} ${what} in team ${at} by ${commitId}, epoch ${offset}, wrong: ${wrong}`,
      async (model, { store, places }) => {
        const groupId = TEAMS[at] ?? "";
        const epoch = Math.max(1, (model.teams.all.get(groupId)?.epoch ?? 2) + offset);
        const asked = { groupId, epoch, commitId, add, remove, founds: false, wrong };
        const made = request(model, boxOf(model, from, isOld), asked);
        judge(places, await store.commit(made), teamCommit(model, made));
      },
    );
  });

/** Somebody's leaf anew, as a commit does it that follows a statement or a new device. */
export const swaps = fc.tuple(name, team, name, id).map(([from, at, who, commitId]) =>
  command(`${from} takes ${who} into team ${at} again by ${commitId}`, async (model, { store, places }) => {
    const groupId = TEAMS[at] ?? "";
    const { epoch = 2 } = model.teams.all.get(groupId) ?? {};
    const asked = { groupId, epoch, commitId, add: [who], remove: [who], founds: false, wrong: "none" } as const;
    const made = request(model, boxOf(model, from, false), { ...asked, add: [who], remove: [who] });
    judge(places, await store.commit(made), teamCommit(model, made));
  }),
);

export const says = fc
  .tuple(name, old, to, team, off, messageIds, isMostly, expires, isMostly)
  .map(([from, isOld, to, at, offset, messageId, direct, after, resume]) =>
    command(
      `${from} says ${messageId} to ${to ?? "all"}${direct ? ", directly," : ""} in team ${at}, epoch ${offset}, for ${after} ms`,
      async (model, { store, places }) => {
        const sender = boxOf(model, from, isOld);
        const groupId = TEAMS[at] ?? "";
        const made: SendRequest & { messageId: string } = {
          sender,
          to,
          ...(to === undefined ? {} : { direct }),
          message: Buffer.from(`said as ${messageId}`).toString("base64"),
          sessionId: undefined,
          groupId,
          epoch: (model.teams.all.get(groupId)?.epoch ?? 2) + offset,
          messageId,
          expiresAt: after === undefined ? undefined : model.now + after,
          resume,
        };
        const blocked = model.blocked.get(sender) ?? new Set<string>();
        model.blocked.set(sender, blocked);
        const its = new BlockedGroups(blocked);
        const result = await store.send(made, its);
        const isInOrder = made.direct !== true;
        if (resume && isInOrder) blocked.delete(groupId);
        const isHeldUp = isInOrder && blocked.has(groupId);
        const wanted = isHeldUp ? { reasons: [{ refused: "send_blocked" }] } : say(model, made);
        if ("reasons" in wanted && isInOrder) blocked.add(groupId);
        judge(places, result, wanted);
        expect(new Set(its)).toEqual(blocked);
      },
    ),
  );

export const states = fc
  .tuple(name, old, team, fc.constantFrom("leave" as const, "rejoin" as const, "rejoin" as const))
  .map(([who, isOld, at, kind]) =>
    command(`${who} asks to ${kind} in team ${at}`, async (model, { store, places }) => {
      const made = {
        sender: boxOf(model, who, isOld),
        groupId: TEAMS[at] ?? "",
        kind,
        statement: String(1000 + (model.now % 9000)),
      };
      judge(places, await store.keepStatement(made), state(model, made));
    }),
  );

export const listens = fc.tuple(name, fc.boolean()).map(([who, isOn]) =>
  command(`${who} ${isOn ? "listens" : "is gone"}`, async (model, { store, claims }) => {
    const mailbox = boxOf(model, who, false);
    const claim = claims.get(mailbox);
    if (isOn && model.active(mailbox) !== undefined) {
      model.listening.add(mailbox);
      claims.set(mailbox, (await store.listen(mailbox)).claim);
    } else if (claim !== undefined) {
      model.listening.delete(mailbox);
      claims.delete(mailbox);
      await store.unlisten(mailbox, claim);
    }
  }),
);

/** Each statement is with one member for half a minute, then with another; after three of them for longer, an hour at most. */
export const offers = fc.constant(
  command("statements are offered", async (model, { store }) => {
    const { offers: made } = await store.offers();
    for (const team of model.teams.all.values())
      for (const [own, statement] of team.statements) {
        const able = team.members
          .filter(
            (member) => !member.lapsed && !member.leaves && member.name !== own && model.listening.has(member.mailbox),
          )
          .map(({ mailbox }) => mailbox);
        const round = statement.tries > 0 && statement.tries % 3 === 0 ? 2 ** (statement.tries / 3) : 1;
        const next = statement.at + Math.min(30_000 * round, 3_600_000);
        const offer = made.find((one) => one.groupId === team.id && one.username.toLowerCase() === own);
        if (offer === undefined) {
          const isLate = model.now >= next && model.now >= statement.soughtAt + LATE_MS && able.length > 0;
          expect(isLate, `${own} of ${team.id.slice(0, 1)} is not offered`).toBe(false);
          if (model.now >= next && able.length === 0) statement.soughtAt = model.now;
          continue;
        }
        made.splice(made.indexOf(offer), 1);
        compareOffer(offer, statement, { able, now: model.now, next });
        Object.assign(statement, { to: offer.mailbox, tries: statement.tries + 1, at: model.now, soughtAt: -Infinity });
      }
    expect(made).toEqual([]);
  }),
);

function compareOffer(
  offer: Offer,
  { kind, text, to }: { kind: string; text: string; to: number },
  { able, now, next }: { able: number[]; now: number; next: number },
): void {
  expect(offer).toMatchObject({ kind, statement: text });
  expect(now).toBeGreaterThanOrEqual(next);
  expect(able).toContain(offer.mailbox);
  if (able.some((mailbox) => mailbox !== to)) expect(offer.mailbox).not.toBe(to);
}
