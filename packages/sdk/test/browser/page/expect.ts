/** As much of vitest's `expect` as the model of stores asks for: that of vitest runs in no page. */

/** @throws Error */
export function expect(actual: unknown) {
  const isLike = (wanted: unknown): void => {
    if (!equal(actual, wanted)) throw new Error(`expected ${show(wanted)}, got ${show(actual)}`);
  };
  return {
    toBe: isLike,
    toEqual: isLike,
    rejects: {
      async toBeInstanceOf(kind: new () => unknown): Promise<void> {
        const settled = await Promise.allSettled([actual]);
        const [result] = settled;
        if (result?.status !== "rejected" || !(result.reason instanceof kind))
          throw new Error("it was not rejected so");
      },
    },
  };
}

function equal(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (one instanceof Uint8Array || other instanceof Uint8Array)
    return one instanceof Uint8Array && other instanceof Uint8Array && show([...one]) === show([...other]);
  if (!Array.isArray(one) || !Array.isArray(other)) return false;
  return one.length === other.length && one.every((each, at) => equal(each, other[at]));
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? "undefined";
}
