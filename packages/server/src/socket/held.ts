import { networksOf } from "./request.ts";
import type { Limits } from "../config/limits.ts";
import type { Login } from "../delivery/login.ts";
import { Shares } from "./shares.ts";

/** A connection for which bytes are held. */
export interface Holder {
  readonly address: string;
  readonly login: Login | undefined;
  /** Ends it. */
  drop(why: string): void;
}

/** Bytes that are held for connections, by address and account. */
export type Held = Shares<Holder>;

/** Bytes of messages that have begun to come and are not read yet. [P-1.7] */
export function unfinished({ unfinishedBytesOfAll, frameBytes }: Limits): Held {
  // The largest frame always finds room.
  const most = Math.max(unfinishedBytesOfAll, frameBytes);
  return held(most, Math.max(unfinishedBytesOfAll / 4, frameBytes), "unfinished message dropped");
}

/** Bytes that clients have not read yet. */
export function unread({ bufferedBytesOfAll: most }: Limits): Held {
  return held(most, most, "slow reader dropped");
}

function held(most: number, share: number, why: string): Held {
  return new Shares({
    most,
    share,
    ownersOf: ({ address, login }) => [
      ...networksOf(address),
      ...(login === undefined ? [] : [`account ${login.name}`]),
    ],
    between: "newest",
    end: (holder) => holder.drop(why),
  });
}
