/** What is held for one connection, and for how long; what operators may want to change is in limits.ts. */

/** Requests of one connection that may wait for the disk at once, and frames that may wait behind them. */
export const MAX_RUNNING = 1024;
export const MAX_QUEUED = 64;
/** The same behind a login, which for a token account ends only when its pongs are read: there is no pausing then. */
export const MAX_QUEUED_AT_LOGIN = 1024;
/** Groups in which a `send` was refused and not yet sent again. */
export const MAX_BLOCKED = 10_000;
/** Unsent bytes beyond which nothing more is read of a client: it shall first read what it has asked for. */
export const UNREAD = 2 ** 20;
export const UNREAD_BEFORE_LOGIN = 2 ** 16;
/** How long a client may take to close its side. Milliseconds. */
export const CLOSE_MS = 2_000;
/** The longest time for which nothing is read of a client over its rate. Milliseconds. */
export const PAUSE_MS = 1_000;
/** The same after a refused request, of a client whose address has had more refused than it may. Milliseconds. */
export const REFUSED_PAUSE_MS = 10_000;

/** How soon it is looked again whether a store that was behind has caught up. Milliseconds. */
export const BEHIND_MS = 50;
