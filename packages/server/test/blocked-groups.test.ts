// In groups in which a connection was refused nothing overtakes what was refused, and nothing older is held up.
import { expect, test } from "vitest";
import { BlockedChanges, BlockedGroups } from "../src/store/blocked-groups.ts";

/** One connection: what it asks is decided later, in order, in batches. */
class Story {
  readonly groups = new BlockedGroups();
  readonly #asked: { turn: number; resume: boolean; isBad: boolean; id: number }[] = [];
  readonly stored: number[] = [];
  #ids = 0;

  ask({ resume = false, isBad = false } = {}): void {
    this.#asked.push({ turn: this.groups.turn, resume, isBad, id: ++this.#ids });
  }

  /** Refused as it came, before anything is asked of the store. */
  refuse(): void {
    this.groups.add("g");
    this.#ids += 1;
  }

  decide(count = this.#asked.length): void {
    const changes = new BlockedChanges();
    for (const { turn, resume, isBad, id } of this.#asked.splice(0, count)) {
      const blocked = changes.of(this.groups, turn);
      if (resume) blocked.delete("g");
      if (blocked.has("g")) continue;
      if (isBad) blocked.add("g");
      else this.stored.push(id);
    }
    changes.commit();
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
  story.ask({ resume: true });
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
    story.ask({ resume: true });
    story.decide();
    expect(story.stored).toEqual([1, 6]);
  }
});

test("[P-6.5] a request to go on lets nothing pass that was asked behind a newer refusal", () => {
  const story = new Story();
  story.refuse();
  story.ask({ resume: true });
  story.ask();
  story.refuse();
  story.ask();
  story.decide(1);
  story.ask();
  story.decide();
  expect(story.stored).toEqual([2, 3]);
});
