/** The states of what alice has sent, as they change. */
import { Row } from "./screen.ts";
import { type Actor, expectThat } from "./stage.ts";

interface Change {
  message_id: string;
  status: string;
  reason?: string;
}

/** By `aimessage status --follow --json`. */
export class States {
  readonly #changes: Actor;
  /** How many of a message's states were shown. */
  readonly #shown = new Map<string, number>();

  constructor(changes: Actor) {
    this.#changes = changes;
  }

  get known(): ReadonlySet<string> {
    return new Set(all(this.#changes.lines).map((change) => change.message_id));
  }

  newSince(known: ReadonlySet<string>): Promise<string> {
    return this.#changes.until(
      "no state of the message is told",
      (lines) => all(lines).find(({ message_id }) => !known.has(message_id))?.message_id,
    );
  }

  /**
   * Shows the states of a message as they come, those that were not shown yet, up to one.
   * @returns the reason of that one. @throws Failed if it has ended as another
   */
  async follow(id: string, upTo: string): Promise<string> {
    const row = new Row("alice sees");
    for (;;) {
      const seen = this.#shown.get(id) ?? 0;
      const { status, reason = "" } = await this.#changes.until(
        `it is not ${upTo}`,
        (lines) => all(lines).filter(({ message_id }) => message_id === id)[seen],
      );
      this.#shown.set(id, seen + 1);
      row.add(status);
      if (status !== upTo && !ENDS.has(status)) continue;
      row.end(reason);
      expectThat(status === upTo, status);
      return reason;
    }
  }
}

const ENDS: ReadonlySet<string> = new Set(["handled", "failed", "expired", "refused"]);

function all(lines: readonly string[]): Change[] {
  return lines.map((line) => JSON.parse(line) as Change);
}
