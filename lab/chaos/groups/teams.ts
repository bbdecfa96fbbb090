import { mkdirSync, rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { nodeCryptoProvider, SqliteStore } from "@aimessage/sdk/node";
import { makeBackup, restoreBackup } from "../../../packages/sdk/src/agent/backup.ts";
import type { Agent } from "../agent.ts";
import { writeBody } from "../body.ts";
import { TOLD, type Verdict } from "../check.ts";
import type { TeamChange } from "../orders.ts";
import type { World } from "../world.ts";
import { readRelayTeams, readTeamBooks, type TeamBooks } from "./books.ts";
import { judgeLetters, unfinishedLetter } from "./check.ts";
import { TeamLedger } from "./ledger.ts";
import { judgeOrder } from "./order.ts";
import { type PlannedChange, planTeams, type TeamCycle, type TeamMail, TEAMS } from "./plan.ts";
import { disagreement, Epochs, judgeRosters } from "./rosters.ts";
import type { Tapped } from "./tap.ts";

/** In each cycle. Some are not sent, since who was to do it is no member, or down. */
const MESSAGES = 12;
const FAILING = 0.05;
const EXPIRING = 0.05;
const LARGEST_FILLER = 2_000;
const FOUNDED_MS = 60_000;
/** A relay takes in a member again once in ten minutes, and so does a store become a new device. */
const BETWEEN_DEVICES_MS = 11 * 60_000;

function pick(from: string[], dice: number): string | undefined {
  return from[Math.floor(dice * from.length)];
}

/** Teams of the agents of a world, what happens to them, and what shall be true of them. */
export class Teams {
  readonly ledger: TeamLedger;
  readonly epochs = new Epochs();
  readonly #world: World;
  readonly #plan: Generator<TeamCycle, never>;
  /** Who is in each, as far as changes have been heard to be made: whom the next ones are ordered of. */
  readonly #members = TEAMS.map(() => new Set<string>());
  readonly #admins = TEAMS.map(() => new Set<string>());
  readonly #heard = new Set<string>();
  readonly #replacedAt = new Map<string, number>();
  #count = 0;
  /** By agent, places in its outbox of what was sent again, and to whom: they are looked up at the end. */
  readonly #again = new Map<string, { seq: number; name: string }[]>();
  newDevices = 0;

  constructor(world: World, seed: number) {
    this.#world = world;
    this.#plan = planTeams(seed, world.agents.length, MESSAGES);
    this.ledger = new TeamLedger((life) => world.ledger.wasCutShort(life));
  }

  /** How many changes were ordered, and how many of them are known to be made. */
  get changes(): { ordered: number; made: number } {
    const all = [...this.ledger.changes.values()];
    return { ordered: all.length, made: all.filter(({ end }) => end === "changed").length };
  }

  get abouts(): string[] {
    return TEAMS.map((_, index) => `team${index}`);
  }

  tapped(agent: string, tapped: Tapped): void {
    if (tapped.kind === "epoch") this.epochs.add(agent, tapped.group, Buffer.from(tapped.state, "base64"));
    else this.#again.set(agent, [...(this.#again.get(agent) ?? []), tapped]);
  }

  /** Founds all of them. */
  async found(): Promise<void> {
    const { agents } = this.#world;
    for (const [index, { founder, share }] of TEAMS.entries()) {
      const names = agents.map((_, at) => agents[(founder + at) % agents.length]?.name ?? "");
      const [first = "", ...others] = names.slice(0, Math.max(3, Math.round(agents.length * share)));
      this.#order(first, { team: `team${index}`, what: "create", names: others, name: `team${index}` });
    }
    await this.#heardOf("teams are founded");
    // Three are admins of all: the founders.
    for (const [index, { founder }] of TEAMS.entries()) {
      const names = TEAMS.map((team) => agents[team.founder]?.name ?? "").filter((name) =>
        this.#members[index]?.has(name),
      );
      const others = names.filter((name) => name !== agents[founder]?.name);
      if (others.length > 0)
        this.#order(agents[founder]?.name ?? "", { team: `team${index}`, what: "promote", names: others });
    }
    await this.#heardOf("teams have their admins");
  }

  async #heardOf(what: string): Promise<void> {
    const isOver = () => [...this.ledger.changes.values()].every(({ end }) => end !== undefined);
    for (const end = performance.now() + FOUNDED_MS; !isOver() && performance.now() < end;) await delay(100);
    const open = [...this.ledger.changes.values()].find(({ end }) => end !== "changed");
    if (open !== undefined) throw new Error(`it is not so that ${what}: ${JSON.stringify(open)}`);
    this.#hear();
  }

  /** The next cycle; `later` does something at a part of it. */
  cycle(later: (at: number, work: () => Promise<void> | void) => void): void {
    const { mail, changes, newDevice } = this.#plan.next().value;
    for (const one of mail) later(one.at, () => this.#post(one));
    for (const one of changes) later(one.at, () => this.#change(one));
    if (newDevice !== undefined)
      later(newDevice.at, async () => {
        const agent = this.#world.agents[newDevice.agent];
        if (agent !== undefined) await this.#restore(agent);
      });
  }

  #post({ team, from, dice: [first, second, third] }: TeamMail): void {
    this.#hear();
    // Most are of members, some of whoever may have been one.
    const members = [...(this.#members[team] ?? [])];
    const sender =
      third < 0.9
        ? this.#world.agents.find(({ name }) => name === members[from % Math.max(1, members.length)])
        : this.#world.agents[from];
    if (sender === undefined) return;
    const fails = first < FAILING ? TOLD : undefined;
    const letter = {
      id: `${sender.name}-t${this.#count++}`,
      to: `@team${team}`,
      body: writeBody({ workMs: 0, ...(fails === undefined ? {} : { fails }) }, Math.floor(second * LARGEST_FILLER)),
      ...(first > 1 - EXPIRING ? { expiresIn: 200 + Math.floor(second * 3_000) } : {}),
    };
    this.ledger.issue(sender.name, letter, fails !== undefined);
    sender.send(letter);
  }

  #change({ team, kind, dice: [first, second, third] }: PlannedChange): void {
    this.#hear();
    const { agents } = this.#world;
    const members = [...(this.#members[team] ?? [])];
    const admins = [...(this.#admins[team] ?? [])];
    const by = kind === "leave" ? pick(members, first) : pick(admins, first);
    const outside = agents.map(({ name }) => name).filter((name) => !members.includes(name));
    const whom = {
      add: outside,
      remove: members.filter((name) => !admins.includes(name)),
      promote: members.filter((name) => !admins.includes(name)),
      // A last one stays, and one that is founder of it mostly.
      demote: admins.length > 1 ? admins : [],
      rename: [by ?? ""],
      leave: [by ?? ""],
    }[kind];
    const name = pick(whom, second);
    if (by === undefined || name === undefined) return;
    // A team stays one.
    if ((kind === "remove" || kind === "leave") && members.length <= 4) return;
    if (kind === "leave" && admins.includes(by) && admins.length < 3) return;
    const change = { team: `team${team}`, what: kind, names: kind === "rename" || kind === "leave" ? [] : [name] };
    this.#order(by, kind === "rename" ? { ...change, name: `team${team}-${Math.floor(third * 1_000)}` } : change);
  }

  #order(by: string, change: Omit<TeamChange, "id">): void {
    const agent = this.#world.agents.find(({ name }) => name === by);
    const whole = { ...change, id: `change-${this.#count++}` };
    if (agent?.sender.ready !== true) return;
    this.ledger.change(by, whole);
    agent.sender.order({ kind: "change", change: whole });
  }

  /** What was heard to be changed since. */
  #hear(): void {
    for (const { id, end, team, what, names, by } of this.ledger.changes.values()) {
      if (end !== "changed" || this.#heard.has(id)) continue;
      this.#heard.add(id);
      const index = this.abouts.indexOf(team);
      const [members, admins] = [this.#members[index], this.#admins[index]];
      if (what === "create") admins?.add(by);
      for (const name of what === "create" ? [by, ...names] : what === "leave" ? [by] : names) {
        if (what === "create" || what === "add") members?.add(name);
        else if (what === "promote") admins?.add(name);
        else admins?.delete(name);
        if (what === "remove" || what === "leave") members?.delete(name);
      }
    }
  }

  /** Whether an agent may become a new device once more. If so, it counts as done. */
  mayReplace({ name }: Agent): boolean {
    if (Date.now() - (this.#replacedAt.get(name) ?? 0) < BETWEEN_DEVICES_MS) return false;
    this.#replacedAt.set(name, Date.now());
    return true;
  }

  /** Its machine is lost; it is made anew of a backup. */
  async #restore(agent: Agent): Promise<void> {
    if (agent.copied || !this.mayReplace(agent)) return;
    await agent.turns.take(async () => {
      await agent.killAll();
      const backup = await (async () => {
        await using store = await SqliteStore.open(agent.folder);
        return makeBackup(store);
      })();
      rmSync(agent.folder, { recursive: true });
      mkdirSync(agent.folder);
      {
        await using store = await SqliteStore.open(agent.folder);
        await restoreBackup(store, backup, nodeCryptoProvider);
      }
      // Before: the relay drops what is there for the device of before as soon as it knows this one, however long its answer takes.
      agent.renewed();
      await agent.register();
      this.ledger.putBack(agent.name, 0, new Set());
      this.newDevices += 1;
    });
    agent.startAll();
  }

  async #read(): Promise<Map<string, TeamBooks>> {
    const books = new Map<string, TeamBooks>();
    for (const { name, folder } of this.#world.agents) books.set(name, await readTeamBooks(folder));
    return books;
  }

  /** What has not come to rest yet; undefined: all has. */
  async unfinished(): Promise<string | undefined> {
    const books = await this.#read();
    const { teams: relay, faults } = await readRelayTeams(this.#world.relays);
    for (const about of this.abouts) {
      const why = disagreement(about, { books, relay });
      if (why !== undefined) return why;
    }
    for (const [name, { waiting }] of books)
      if (waiting[0] !== undefined && !waiting[0].startsWith("owed/")) return `${name} still has ${waiting[0]}`;
    return unfinishedLetter(this.ledger, books) ?? faults[0];
  }

  async judge(verdict: Verdict, isSound: boolean): Promise<void> {
    for (const text of this.ledger.violations)
      (text.startsWith("doubled:") ? verdict.doubled : verdict.other).push(text);
    verdict.other.push(...this.epochs.split);
    verdict.counts["epochs that are the same at all"] = this.epochs.count;
    verdict.counts["new devices"] = this.newDevices;
    for (const { end, what } of this.ledger.changes.values()) {
      const count = `${what}: ${end ?? "not heard of"}`;
      verdict.counts[count] = (verdict.counts[count] ?? 0) + 1;
    }
    if (!isSound) return;
    const books = await this.#read();
    for (const [agent, all] of this.#again) {
      const ids = new Map([...(books.get(agent)?.sent ?? [])].map(([id, { seq }]) => [seq, id]));
      for (const { seq, name } of all) this.ledger.entries.get(ids.get(seq) ?? "")?.again.add(name);
    }
    const { teams: relay, faults } = await readRelayTeams(this.#world.relays);
    verdict.other.push(...faults);
    judgeRosters(verdict, this.abouts, { books, relay }, this.ledger);
    judgeLetters(verdict, this.ledger, books);
    judgeOrder(verdict, this.ledger, books);
  }
}
