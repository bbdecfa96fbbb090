/**
 * What became of a connection: it was never made (`unreachable`), has ended (`broken`), does not answer (`timeout`), or is
 * no longer wanted (`closed`). Of what was asked through it nobody knows whether the engine has done it.
 */
export class LinkError extends Error {
  override readonly name = "LinkError";
  readonly kind: "unreachable" | "broken" | "timeout" | "closed";

  constructor(kind: LinkError["kind"], message: string, cause?: unknown) {
    super(message, { cause });
    this.kind = kind;
  }
}

/** Waits for a promise. @throws LinkError of kind `timeout` if it is not settled after `ms` milliseconds; it is not ended by that */
export function patience<T>(promise: PromiseLike<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new LinkError("timeout", `The engine did not answer within ${ms} ms`)), ms);
    promise.then(
      (value) => {
        clearTimeout(timer);
        resolve(value);
      },
      (error: unknown) => {
        clearTimeout(timer);
        reject(error);
      },
    );
  });
}

/** What an error of any kind says. Those of several addresses of one host say it one by one. */
export function errorText(error: unknown): string {
  if (error instanceof AggregateError && error.message === "") return error.errors.map(errorText).join(", ");
  return error instanceof Error ? error.message : String(error);
}
