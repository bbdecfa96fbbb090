import { randomGroup } from "../../../packages/server/test/agent.ts";
import type { Ledger } from "./ledger.ts";

/** Something that a member says in a group, once. */
export interface Line {
  readonly from: string;
  /** Of those of its sender and its kind in this group, from 1 on. */
  readonly number: number;
  /** Undefined: the relay gives it one, and nobody can ask again what became of it. */
  readonly id: string | undefined;
  /** What is sent: no other line has the same. */
  readonly text: string;
  /** In which it is sent; undefined: in whatever there is by then. */
  epoch: number | undefined;
  isAcknowledged: boolean;
  /** Of a team's: its place in its epoch. */
  pos: number | undefined;
}

/** What all members of a group together know of it: a relay may tell none of them anything else. */
export class Group {
  readonly id = randomGroup();
  readonly name: string;
  readonly isTeam: boolean;
  readonly lines: Line[] = [];
  /** The one commit that ended an epoch. */
  readonly #commits = new Map<number, string>();
  /** The one message at a place of an epoch. */
  readonly #places = new Map<string, string>();
  readonly #ledger: Ledger;

  constructor(name: string, isTeam: boolean, ledger: Ledger) {
    this.name = name;
    this.isTeam = isTeam;
    this.#ledger = ledger;
  }

  /** Somebody was told, or has read, that this commit has ended the epoch. */
  committed(epoch: number, id: string): void {
    const known = this.#commits.get(epoch);
    if (known === undefined) this.#commits.set(epoch, id);
    else if (known !== id) this.#ledger.violation(`two commits of epoch ${epoch} of ${this.name}: ${known} and ${id}`);
  }

  commitOf(epoch: number): string | undefined {
    return this.#commits.get(epoch);
  }

  /** Somebody was told, or has read, that this text has this place of a team's epoch. */
  placed(epoch: number, pos: number, text: string): void {
    const place = `${epoch}/${pos}`;
    const known = this.#places.get(place);
    if (known === undefined) this.#places.set(place, text);
    else if (known !== text) this.#ledger.violation(`two messages at ${place} of ${this.name}: ${known} and ${text}`);
  }

  /** Checks that no place of any epoch is left free. */
  checkPlaces(): void {
    const taken = new Map<number, number[]>();
    for (const place of this.#places.keys()) {
      const [epoch = 0, pos = 0] = place.split("/").map(Number);
      taken.set(epoch, [...(taken.get(epoch) ?? []), pos]);
    }
    for (const [epoch, all] of taken)
      if (Math.max(...all) !== all.length)
        this.#ledger.violation(
          `${this.name} has ${all.length} messages in epoch ${epoch}, with places up to ${Math.max(...all)}`,
        );
  }
}
