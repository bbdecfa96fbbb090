import { setTimeout as delay } from "node:timers/promises";
import type { Agent } from "../../../packages/server/test/agent.ts";
import { Ear } from "./ear.ts";
import type { Group, Line } from "./group.ts";
import type { Ledger } from "./ledger.ts";
import { type Frame, LostError, type Wire } from "./wire.ts";

/** So many are sent without waiting for answers. */
const WINDOW = 16;
const WITHOUT_ID = 0.25;
const COMMITS = 0.08;
const PAUSE_MS = 40;
const REFUSED_MS = 100;
/** Refusals after which the same may be taken later, or may have been taken. */
const PASSING = new Set(["internal", "send_blocked", "stale_epoch"]);

interface VoiceOptions {
  agent: Agent;
  group: Group;
  /** The other one of a pair. */
  peer: string | undefined;
  ledger: Ledger;
  dice: () => number;
  /** Nothing new is to be said. */
  isOver: () => boolean;
}

/** A commit as it is asked for, again and again until there is an answer. */
interface Proposal {
  epoch: number;
  data: Record<string, unknown> & { commit_id: string };
}

/** What a member says in a group, and hears there: over all its connections. */
export class Voice {
  readonly group: Group;
  readonly ear: Ear;
  readonly #options: VoiceOptions;
  readonly #name: string;
  readonly #counted = { named: 0, nameless: 0 };
  #outbox: Line[] = [];
  /** The commit that it wants taken, as long as it does not know whether it was. */
  #pending: Proposal | undefined;
  #takenAt: number | undefined;
  /** Why nothing was taken since. */
  readonly #refusals = new Set<string>();

  constructor(options: VoiceOptions) {
    const { agent, group, ledger } = options;
    this.group = group;
    this.#name = agent.username;
    this.#options = options;
    this.ear = new Ear(agent.username, group, ledger);
  }

  /** The epoch that it has asked to end, and does not know whether it has. */
  get asked(): number | undefined {
    return this.#pending?.epoch;
  }

  /** What it still wants to be rid of. */
  get waiting(): string | undefined {
    if (this.#pending !== undefined) return `${this.#pending.data.commit_id} in ${this.group.name}`;
    return this.#outbox[0]?.text;
  }

  /** How long nothing was taken: milliseconds. */
  get pauseMs(): number {
    return this.#takenAt === undefined ? 0 : performance.now() - this.#takenAt;
  }

  /** One round on a connection: a commit perhaps, then a window of lines. @throws LostError */
  async speak(wire: Wire): Promise<void> {
    const { isOver, dice } = this.#options;
    if (!isOver() && this.#pending === undefined && dice() < COMMITS) this.#propose();
    if (this.#pending !== undefined) await this.#commit(wire, this.#pending);
    if (!isOver()) while (this.#outbox.length < WINDOW) this.#write();
    const isRefused = this.#outbox.length > 0 && (await this.#send(wire));
    await delay(isRefused ? REFUSED_MS : dice() * PAUSE_MS);
  }

  #propose(): void {
    const { agent, group } = this.#options;
    const { epoch } = this.ear;
    const change = agent.change(group.id, epoch);
    const id = `${group.name}-${epoch}-${this.#name}`;
    const pair = { group_id: group.id, epoch, commit: change["body"] };
    this.#pending = { epoch, data: { ...(group.isTeam ? change : pair), commit_id: id } };
  }

  async #commit(wire: Wire, { epoch, data }: Proposal): Promise<void> {
    const { ledger, group } = this.#options;
    const answer = await wire.ask("commit", data);
    const { reason } = answer.data;
    if (answer.data.status === "committed") {
      ledger.count("commits won");
      group.committed(epoch, data.commit_id);
      this.#pending = undefined;
      this.ear.epoch = Math.max(this.ear.epoch, epoch + 1);
    } else if (reason === "epoch_taken") {
      ledger.count("commits lost");
      if (group.commitOf(epoch) === data.commit_id)
        ledger.violation(`${data.commit_id} had been taken, and then lost its race`);
      this.#pending = undefined;
    } else if (reason !== "internal") {
      ledger.violation(`${data.commit_id} was refused: ${JSON.stringify(answer.data)}`);
      this.#pending = undefined;
    }
  }

  #write(): void {
    const { dice, group } = this.#options;
    // What goes to a team needs an id.
    const kind = !group.isTeam && dice() < WITHOUT_ID ? "nameless" : "named";
    const number = ++this.#counted[kind];
    const line = {
      from: this.#name,
      number,
      id: kind === "named" ? `${group.name}-${this.#name}-${number}` : undefined,
      text: `${this.#name}/${group.name}/${kind}/${number}`,
      epoch: undefined,
      isAcknowledged: false,
      pos: undefined,
    };
    group.lines.push(line);
    this.#outbox.push(line);
  }

  /** @returns whether something was refused. @throws LostError */
  async #send(wire: Wire): Promise<boolean> {
    const lines = this.#outbox;
    const answers = await Promise.allSettled(lines.map((line, at) => wire.ask("send", this.#frameOf(line, at === 0))));
    const left: Line[] = [];
    let refused: { text: string; reason: string } | undefined;
    let lost: LostError | undefined;
    for (const [at, line] of lines.entries()) {
      const answer = answers[at] as PromiseSettledResult<Frame>;
      if (answer.status === "rejected") {
        lost = answer.reason as LostError;
        this.#refusals.add(lost.message);
        this.#leave(line, left);
      } else if (answer.value.type === "ack") {
        this.#taken(line, answer.value);
        if (refused !== undefined)
          this.#wrong(`${line.text} was taken behind ${refused.text}, which was refused as ${refused.reason}`);
      } else {
        const { reason } = answer.value.data;
        if (!PASSING.has(reason)) this.#wrong(`${line.text} was refused: ${JSON.stringify(answer.value.data)}`);
        refused ??= { text: line.text, reason };
        this.#refusals.add(reason);
        if (reason === "internal") this.#leave(line, left);
        else left.push(line);
      }
    }
    this.#options.ledger.count("attempts repeated", left.length);
    // What was not taken at the head was not taken at all, and neither was anything behind it.
    if (refused?.reason === "stale_epoch" && lost === undefined && left[0]?.text === refused.text)
      for (const line of left) line.epoch = undefined;
    this.#outbox = left;
    if (lost !== undefined) throw lost;
    return refused !== undefined;
  }

  /** Nobody knows what became of it: with an id it can be asked again. */
  #leave(line: Line, left: Line[]): void {
    if (line.id !== undefined) left.push(line);
    else this.#options.ledger.count("outcomes that nobody can know");
  }

  #frameOf(line: Line, isFirst: boolean): Record<string, unknown> {
    const { group, peer } = this.#options;
    // The same id with another epoch would be another request.
    line.epoch ??= this.ear.epoch;
    return {
      ...(peer === undefined ? {} : { to: peer }),
      message: line.text,
      group_id: group.id,
      epoch: line.epoch,
      ...(line.id === undefined ? {} : { message_id: line.id }),
      ...(isFirst ? { resume: true } : {}),
    };
  }

  #taken(line: Line, { data }: Frame): void {
    const { ledger, group } = this.#options;
    line.isAcknowledged = true;
    ledger.count("acknowledged");
    if (line.id === undefined) ledger.count("acknowledged without an id");
    const why = this.#refusals.size === 0 ? "" : ` after ${[...this.#refusals].join(", ")}`;
    ledger.pause(`${this.#name} in ${group.name}${why}`, this.pauseMs);
    this.#takenAt = performance.now();
    this.#refusals.clear();
    if (!group.isTeam) return;
    const { pos, lapsed = [] } = data as { pos: number; lapsed?: string[] };
    if (lapsed.length > 0) this.#wrong(`${line.text} did not reach ${lapsed.join(", ")}, who had lapsed`);
    group.placed(line.epoch ?? 0, pos, line.text);
    line.pos = pos;
  }

  #wrong(text: string): void {
    this.#options.ledger.violation(`${this.#name} in ${this.group.name}: ${text}`);
  }
}
