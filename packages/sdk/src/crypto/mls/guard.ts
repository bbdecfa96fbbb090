import { GroupError } from "./seam.ts";

/** The library throws errors of many classes on bad input; for the caller they are one. */
export async function guard<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw cause instanceof GroupError ? cause : new GroupError(what, { cause });
  }
}
