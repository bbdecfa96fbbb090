/** What exists: epochs, commits and statements, each once, with a number by which states name it. The rules are asked of each commit once. */
import { createHash } from "node:crypto";
import type { Certified, TeamMember } from "../../packages/sdk/src/crypto/team/roster.ts";
import type { EpochBefore, Forbidden, Plan } from "../../packages/sdk/src/crypto/team/rules.ts";
import type { TeamSettings } from "../../packages/sdk/src/crypto/team/settings.ts";
import type { Statement } from "../../packages/sdk/src/crypto/team/statements.ts";
import { utf8 } from "../../packages/sdk/src/protocol/index.ts";
import type { Rules } from "./rules.ts";

export const NAMES = ["alice", "bob", "carol", "dave"];
/** The epoch in which it all begins: late enough for statements that have run out. */
export const FIRST = 70;

/** An epoch as its members hold it. Two are the same if what led there is: so its number stands for the epoch authenticator, too. */
export interface Epoch extends EpochBefore {
  id: number;
  /** The commit that has led here; undefined: the team was founded in it. */
  by: number | undefined;
  /** Of a founding: who has signed it. */
  founder: TeamMember;
  /** What each leaf node is called, by leaf. */
  digests: ReadonlyMap<number, Uint8Array>;
}

/** A commit as it is told in the trace, made, and shown to the relay. */
export interface Change {
  what: string;
  remove?: number[];
  add?: (Certified | undefined)[];
  settings?: (TeamSettings | undefined)[];
  /** Numbers of statements. */
  statements?: number[];
  /** What is otherwise than an honest program makes it. */
  odd?: Partial<Plan>;
  /** Who cannot follow it though it is right: half of the keys on its path are wrong. -1: it opens for nobody. */
  unfit?: number;
}

export interface Commit extends Change {
  id: number;
  on: Epoch;
  by: number;
  plan: Plan;
  verdict: Forbidden | undefined;
  next: Epoch;
}

/** Somebody's certificate. A device is of an identity and a counter. */
const certificates = new Map<string, Certified>();
export function certificate(name: string, counter: number, identity = name): Certified {
  const key = `${name} ${counter} ${identity}`;
  let made = certificates.get(key);
  if (made === undefined) {
    const bytes = utf8(key);
    made = {
      name,
      device: `${name}-${counter}`,
      counter,
      identityKey: utf8(identity),
      deviceKey: bytes,
      certificate: bytes,
    };
    certificates.set(key, made);
  }
  return made;
}

export class Book {
  readonly rules: Rules;
  /** All are honest, the relay, too: then nobody meets what cannot be followed. */
  readonly isCalm: boolean;
  readonly epochs: Epoch[] = [];
  readonly commits: Commit[] = [];
  readonly statements: Statement[] = [];
  /** How many commits the rules have refused, by their reasons. */
  readonly refused = new Map<string, number>();
  readonly #ids = new Map<string, number>();

  constructor(rules: Rules, isCalm: boolean) {
    this.rules = rules;
    this.isCalm = isCalm;
  }

  /** A statement that somebody has signed. */
  statement(word: Statement): number {
    return this.#once(
      `s ${JSON.stringify([word.kind, word.group, word.name, word.device, word.epoch])} ${Buffer.from(word.leaf).toString()}`,
      this.statements,
      () => word,
    );
  }

  /** A team that somebody founds, of an epoch that it replaces, or the first one. */
  founding(
    settings: TeamSettings,
    roster: readonly Certified[],
    { epoch, salt }: { epoch: number; salt: string },
  ): Epoch {
    const key = `f ${salt} ${JSON.stringify(settings.admins)} ${roster.map(({ device }) => device).join()}`;
    const id = this.#once(key, this.epochs, (id): Epoch => {
      const group = createHash("sha256").update(key).digest("hex");
      const members = roster.map((one, leaf) => ({ ...one, leaf }));
      const digests = new Map(members.map((one) => [one.leaf, digestOf(group, one, `f${id}`)]));
      return { id, by: undefined, founder: members[0]!, group, epoch, settings, roster: members, digests };
    });
    return this.epochs[id]!;
  }

  /** A commit, and what the rules say to it. */
  commit(on: Epoch, by: number, change: Change): Commit {
    const { what, remove = [], add = [], settings = [], statements = [] } = change;
    const id = this.#once(`c ${on.id} ${by} ${what} ${statements.join()}`, this.commits, (id): Commit => {
      const removed = remove
        .map((leaf) => on.roster.find((member) => member.leaf === leaf))
        .filter((one) => one !== undefined);
      const needsPath = settings.length === 0 && (remove.length > 0 || add.length === 0);
      const plan: Plan = {
        committer: on.roster.find(({ name }) => name === NAMES[by])?.leaf ?? -1,
        path: needsPath ? "same" : "none",
        removes: remove.map((leaf) => ({ leaf, digest: on.digests.get(leaf) ?? new Uint8Array(32) })),
        adds: add,
        settings,
        hasOthers: false,
        data: {
          commitId: String(id),
          added: add.filter((one) => one !== undefined).map(said),
          removed: removed.map(said),
          statements: [],
        },
        statements: statements.map((at) => this.#known(at, on)),
        ...change.odd,
      };
      const commit = { ...change, id, on, by, plan, verdict: this.rules.forbidden(plan, on) };
      return { ...commit, next: this.#after(commit) };
    });
    return this.commits[id]!;
  }

  /** A statement as judges find it: of somebody who is there, by the device that has signed it. */
  #known(at: number, { roster }: Epoch): Statement | undefined {
    const word = this.statements[at];
    return roster.some(({ name, device }) => name === word?.name && device === word.device) ? word : undefined;
  }

  /** The epoch that a commit opens: new members take the lowest leaves that are free, as in a tree. */
  #after({ id, on, plan }: Omit<Commit, "next">): Epoch {
    const gone = new Set(plan.removes.map(({ leaf }) => leaf));
    const roster = on.roster.filter(({ leaf }) => !gone.has(leaf));
    const digests = new Map([...on.digests].filter(([leaf]) => !gone.has(leaf)));
    const committer = roster.find(({ leaf }) => leaf === plan.committer);
    if (plan.path !== "none" && committer !== undefined)
      digests.set(committer.leaf, digestOf(on.group, committer, `c${id}`));
    for (const one of plan.adds) {
      if (one === undefined) continue;
      let leaf = 0;
      while (roster.some((member) => member.leaf === leaf)) leaf++;
      roster.push({ ...one, leaf });
      digests.set(leaf, digestOf(on.group, one, `c${id}`));
    }
    const { group, founder } = on;
    const next = {
      id: this.epochs.length,
      by: id,
      founder,
      group,
      epoch: on.epoch + 1,
      settings: plan.settings[0] ?? on.settings,
      roster,
      digests,
    };
    this.epochs.push(next);
    return next;
  }

  #once<T>(key: string, all: T[], make: (id: number) => T): number {
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = all.length;
      this.#ids.set(key, id);
      all[id] = make(id);
    }
    return id;
  }
}

function said({ name, device }: Certified): { name: string; device: string } {
  return { name, device };
}

function digestOf(group: string, { name, device }: Certified, version: string): Uint8Array {
  return utf8(`${group.slice(0, 8)} ${name} ${device} ${version}`.padEnd(32));
}
