import type { Limits } from "./limits.ts";
import type { Login } from "./session.ts";
import { Shares } from "./shares.ts";

/** A connection whose message may be unfinished. */
export interface Writing {
  readonly address: string;
  readonly login: Login | undefined;
  /** Ends it. */
  drop(why: string): void;
}

/**
 * Bytes of messages that are not whole: what has come, and what they have said is to come, so that whatever finds no room is not
 * read at all. [P-1.7]
 */
export type Unfinished = Shares<Writing>;

export function unfinished({ unfinishedBytesOfAll, frameBytes }: Limits): Unfinished {
  return new Shares({
    // The largest frame always finds room.
    most: Math.max(unfinishedBytesOfAll, frameBytes),
    share: Math.max(unfinishedBytesOfAll / 4, frameBytes),
    ownersOf: ({ address, login }) => [`address ${address}`, ...(login === undefined ? [] : [`account ${login.name}`])],
    between: "newest",
    end: (writing) => writing.drop("unfinished message dropped"),
  });
}
