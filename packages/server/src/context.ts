import type { Blobs } from "./blobs/blobs.ts";
import type { Config } from "./config/config.ts";
import type { Crowd } from "./socket/crowd.ts";
import type { Ended } from "./store/bus.ts";
import type { Delivery } from "./delivery/delivery.ts";
import type { Held } from "./socket/held.ts";
import type { FanOut } from "./socket/fan-out.ts";
import type { Hub } from "./delivery/hub.ts";
import type { Log } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { Bucket, Buckets } from "./socket/rate-limit.ts";
import type { Refusals } from "./refusals.ts";
import type { Session } from "./handlers/session.ts";
import type { Listening, RelayStore } from "./store/store.ts";
import type { TokenKeys } from "./handlers/token-keys.ts";
import type { Turns } from "./socket/turns.ts";
import type { WaitingRoom } from "./waiting-room.ts";

/** What handlers work with. */
export interface Context {
  config: Config;
  store: RelayStore;
  blobs: Blobs;
  hub: Hub;
  /** Connections that have not logged in. */
  strangers: Crowd;
  unfinished: Held;
  /** In which large frames are read. */
  turns: Turns;
  /** Names of this relay that may be signed at login. [P-4.3] */
  names: string[];
  rates: {
    frames: Buckets;
    groupCommits: Buckets;
    fanOut: FanOut;
    lightFrames: Buckets;
    registrations: Buckets;
    addressClaims: Buckets;
    publishes: Buckets;
    peers: Buckets;
    addressRefusedBytes: Buckets;
    /** Lines of the log about a full disk. */
    diskErrors: Bucket;
  };
  tokenKeys: TokenKeys;
  metrics: Metrics;
  refusals: Refusals;
  log: Log;
  clock: () => number;
  /** A push of a mailbox to a connection, not begun. */
  deliver(mailbox: number, session: Session, listening: Listening): Delivery;
  /** So much waits for the store that what clients send has to wait, too. */
  isBehind(): boolean;
  /** Where connections wait for that. */
  behind: WaitingRoom<{ goOn: () => void }>;
  /** Ends all that an account has open, but for one connection. */
  evict(account: { mailbox: number; username: string }, why: Ended, except?: Session): void;
  /** Has members of teams commit what others have signed, soon; and one that listens since just now. */
  offersSoon(): void;
  listens(mailbox: number): void;
  /** Turns what has expired or lost its mailbox into notices, soon. */
  sweepSoon(): void;
}
