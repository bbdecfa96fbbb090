import type { Answer } from "../handlers/session.ts";

interface Slot {
  replyTo: string | undefined;
  answer: Answer | undefined;
  silent: boolean;
}

/**
 * Answers of one connection, in the order of the requests: some wait for the disk and some do not, and the original's
 * clients do not look at `reply_to`. [P-2.4]
 */
export class Answers {
  readonly #write: (answer: Answer, replyTo: string | undefined) => void;
  readonly #slots: Slot[] = [];

  constructor(write: (answer: Answer, replyTo: string | undefined) => void) {
    this.#write = write;
  }

  get pending(): number {
    return this.#slots.length;
  }

  /** Keeps the place of a request's answer. A silent request is answered only with an error. */
  reserve(replyTo: string | undefined, silent: boolean): (answer: Answer) => void {
    const slot: Slot = { replyTo, answer: undefined, silent };
    this.#slots.push(slot);
    return (answer) => {
      slot.answer = answer;
      this.#flush();
    };
  }

  #flush(): void {
    for (let slot = this.#slots[0]; slot?.answer !== undefined; slot = this.#slots[0]) {
      this.#slots.shift();
      const { answer, replyTo, silent } = slot;
      if (answer !== undefined && (!silent || answer.type === "error")) this.#write(answer, replyTo);
      answer?.afterwards?.();
    }
  }
}
