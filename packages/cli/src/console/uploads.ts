/** Files on their way from the page: a request brings each, and the message that they go with takes them one after another. */
import type { IncomingMessage } from "node:http";

/** How long a message and its files may wait for each other. Milliseconds. */
const PATIENCE_MS = 30_000;

interface Upload {
  request: IncomingMessage;
  /** Its message is there, and takes the files before it first. */
  awaited: () => void;
  /** Told when all of it was taken, or will not be. */
  done: (isTaken: boolean) => void;
}

export class Uploads {
  readonly #here = new Map<string, Upload>();
  /** Those whose message is there. */
  readonly #named = new Set<string>();
  readonly #awaited = new Map<string, (upload: Upload | undefined) => void>();

  /** Resolves when somebody has taken all of what this request brings. @returns false if nobody does */
  bring(id: string, request: IncomingMessage): Promise<boolean> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      if (!this.#named.has(id)) timer = setTimeout(() => done(false), PATIENCE_MS);
      const done = (isTaken: boolean): void => {
        clearTimeout(timer);
        this.#here.delete(id);
        resolve(isTaken);
      };
      const upload = { request, awaited: () => clearTimeout(timer), done };
      request.once("close", () => done(request.complete));
      const awaited = this.#awaited.get(id);
      if (awaited === undefined) this.#here.set(id, upload);
      else awaited(upload);
    });
  }

  /** Uploads that a message will take, one after another: until it is over none of them waits in vain. @returns how it is over */
  expect(ids: readonly string[]): () => void {
    for (const id of ids) {
      this.#named.add(id);
      this.#here.get(id)?.awaited();
    }
    return () => {
      for (const id of ids) {
        this.#named.delete(id);
        this.#here.get(id)?.done(false);
      }
    };
  }

  /** The bytes of an upload, which may not have begun yet. */
  async *take(id: string): AsyncGenerator<Uint8Array, void, undefined> {
    const upload = this.#here.get(id) ?? (await this.#wait(id));
    if (upload === undefined) throw new Error("a file of this message has not come");
    this.#here.delete(id);
    try {
      for await (const piece of upload.request) yield piece as Uint8Array;
      upload.done(upload.request.complete);
      if (!upload.request.complete) throw new Error("a file of this message has not come whole");
    } catch (error) {
      upload.done(false);
      throw error;
    }
  }

  #wait(id: string): Promise<Upload | undefined> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => got(undefined), PATIENCE_MS);
      const got = (upload: Upload | undefined): void => {
        clearTimeout(timer);
        this.#awaited.delete(id);
        resolve(upload);
      };
      this.#awaited.set(id, got);
    });
  }
}
