import type { Group, Line } from "./group.ts";
import type { Ledger } from "./ledger.ts";

/** What is pushed, as far as it is looked at here. */
export interface Pushed {
  seq: number;
  kind: string;
  group_id: string;
  message_id: string;
  epoch: number;
  message?: string;
  pos?: number;
}

/** What a member hears in a group, and what of it cannot be. */
export class Ear {
  /** The present one, as far as the member knows. */
  epoch: number;
  readonly heard = new Set<string>();
  readonly #who: string;
  readonly #group: Group;
  readonly #ledger: Ledger;
  /** Of each sender and kind of line. */
  readonly #numbers = new Map<string, number>();
  readonly #nameless: string[] = [];
  readonly #lastPos = new Map<number, number>();

  constructor(who: string, group: Group, ledger: Ledger) {
    this.#who = who;
    this.#group = group;
    this.#ledger = ledger;
    // A team begins with its second epoch: in its first there was nobody but its founder.
    this.epoch = group.isTeam ? 2 : 1;
  }

  /** @param asked the epoch that the member has asked to end, and does not know whether it has */
  hear(entry: Pushed, asked: number | undefined): void {
    // Its own commit may have been taken without its knowing.
    const latest = asked === this.epoch ? this.epoch + 1 : this.epoch;
    if (entry.kind === "commit") this.#hearCommit(entry, latest);
    else if (entry.kind === "application") this.#hearLine(entry, latest);
    else if (entry.kind !== "welcome") this.#wrong(`${entry.kind} ${entry.message_id}, which nobody has sent`);
  }

  /** Checks that those without ids whose sender knows that they were taken have come in their order. */
  checkOrder(): void {
    const lines = new Map(this.#group.lines.map((line) => [line.text, line]));
    let last: Line | undefined;
    for (const text of this.#nameless) {
      const line = lines.get(text);
      if (line?.isAcknowledged !== true) continue;
      if (line.number < (last?.number ?? 0)) this.#wrong(`${text} after ${last?.text}`);
      last = line;
    }
  }

  #hearCommit({ epoch, message_id: id }: Pushed, latest: number): void {
    this.#group.committed(epoch, id);
    if (epoch !== this.epoch && epoch !== latest) this.#wrong(`the commit of epoch ${epoch} in epoch ${this.epoch}`);
    this.epoch = Math.max(this.epoch, epoch + 1);
  }

  #hearLine({ epoch, message: text = "", pos }: Pushed, latest: number): void {
    if (epoch > latest) this.#wrong(`${text} of epoch ${epoch} before the commit that opens it, in ${this.epoch}`);
    this.heard.add(text);
    this.#ledger.count("arrived");
    const [from = "", , kind = "", digits] = text.split("/");
    const key = `${from}/${kind}`;
    const number = Number(digits);
    // Of those without ids some were given up, and one that was may come later than what was said since.
    if (kind === "named") {
      const before = this.#numbers.get(key) ?? 0;
      if (number <= before) this.#wrong(`${text} after number ${before}`);
      else if (number > before + 1) this.#wrong(`${text} after number ${before}: a gap`);
      this.#numbers.set(key, Math.max(number, before));
    } else this.#nameless.push(text);
    if (pos === undefined) return;
    this.#group.placed(epoch, pos, text);
    const last = this.#lastPos.get(epoch) ?? 0;
    if (pos <= last) this.#wrong(`place ${pos} of epoch ${epoch} after place ${last}`);
    this.#lastPos.set(epoch, pos);
  }

  #wrong(text: string): void {
    this.#ledger.violation(`${this.#who} has heard in ${this.#group.name}: ${text}`);
  }
}
