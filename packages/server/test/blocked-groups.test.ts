// In groups in which a connection was refused nothing overtakes what was refused, and nothing older is held up.
import { expect, test } from "vitest";
import { BlockedChanges, BlockedGroups } from "../src/store/blocked-groups.ts";
import { Dice } from "./dice.ts";

interface Asked {
  number: number;
  id: number;
  goesOn: boolean;
  isBad: boolean;
}

/** One connection: what it asks is decided later, in order, in batches; and what a rule says that looks at the whole story. */
class Story {
  readonly groups = new BlockedGroups();
  readonly #waiting: Asked[] = [];
  readonly stored: number[] = [];
  /** Refusals and requests to go on, by the places at which they were asked. */
  readonly #refused = new Set<number>();
  readonly #wentOn: number[] = [];
  readonly wanted: number[] = [];
  #ids = 0;

  ask({ goesOn = false, isBad = false } = {}): void {
    this.#waiting.push({ number: this.groups.ask({ goesOn }), id: ++this.#ids, goesOn, isBad });
  }

  /** Refused as it came, before anything is asked of the store. */
  refuse(): void {
    this.groups.add("g");
    this.#refused.add(++this.#ids);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  decide(count = this.#waiting.length): void {
    const changes = new BlockedChanges();
    for (const { number, id, goesOn, isBad } of this.#waiting.splice(0, count)) {
      const blocked = changes.of(this.groups, number);
      if (goesOn) blocked.delete("g");
      this.#judge(id, goesOn, isBad);
      if (blocked.has("g")) continue;
      if (isBad) blocked.add("g");
      else this.stored.push(id);
    }
    changes.commit();
  }

  /** Its promise is rejected, while those behind it wait. */
  reject(): void {
    const [first] = this.#waiting.splice(0, 1);
    if (first === undefined) return;
    this.groups.add("g", first.number);
    this.#refused.add(first.id);
  }

  #judge(id: number, goesOn: boolean, isBad: boolean): void {
    if (goesOn) this.#wentOn.push(id);
    const last = this.#wentOn.at(-1) ?? 0;
    if ([...this.#refused].some((at) => at >= last && at < id)) return;
    if (isBad) this.#refused.add(id);
    else this.wanted.push(id);
  }
}

test("[P-6.5] what was asked before a refusal is stored, what is asked behind it is not", () => {
  const story = new Story();
  story.ask();
  story.ask();
  story.refuse();
  story.ask();
  story.decide(1);
  story.refuse();
  story.ask();
  story.decide();
  expect(story.stored).toEqual([1, 2]);
  story.ask({ goesOn: true });
  story.ask();
  story.decide();
  expect(story.stored).toEqual([1, 2, 7, 8]);
});

test("[P-6.5] behind what is refused when it is decided nothing is stored that waits already, in the same batch or the next", () => {
  for (const count of [1, 2, 5]) {
    const story = new Story();
    story.ask();
    story.ask({ isBad: true });
    for (let more = 0; more < 3; more++) story.ask();
    for (let at = 0; at < 5; at += count) story.decide(count);
    expect(story.stored).toEqual([1]);
    story.ask({ goesOn: true });
    story.decide();
    expect(story.stored).toEqual([1, 6]);
  }
});

test("[P-6.5] behind what could not be stored nothing is that waits already", () => {
  const story = new Story();
  story.ask();
  story.ask();
  story.reject();
  story.decide();
  expect(story.stored).toEqual([]);
});

test("[P-6.5] a request to go on lifts what was refused before it, whenever that was decided, and nothing that came behind it", () => {
  const story = new Story();
  story.ask({ isBad: true });
  story.refuse();
  story.ask({ goesOn: true });
  story.ask();
  story.refuse();
  story.ask();
  story.decide(1);
  story.ask();
  story.decide();
  expect(story.stored).toEqual([3, 4]);
});

test("[P-6.5] whatever is asked, refused and decided when, it is as if it had been decided at once", () => {
  const dice = new Dice();
  process.stderr.write(`blocked groups: SEED=${dice.seed}\n`);
  let stored = 0;
  for (let run = 0; run < 500; run++) {
    const story = new Story();
    for (let step = 0; step < 60; step++) {
      const chance = dice.next();
      if (chance < 0.5) story.ask({ goesOn: dice.chance(0.2), isBad: dice.chance(0.15) });
      else if (chance < 0.65) story.refuse();
      else if (chance < 0.7) story.reject();
      else story.decide(1 + dice.below(4));
    }
    story.decide();
    expect(story.stored).toEqual(story.wanted);
    stored += story.stored.length;
  }
  expect(stored).toBeGreaterThan(500);
});
