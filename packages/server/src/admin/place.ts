import type { AuditLine, Deed, DeedDone } from "../store/store.ts";
import type { Checked } from "./check.ts";
import type { Invite } from "./invites.ts";
import type { Stats } from "./stats.ts";
import type { User, UserDetails } from "./users.ts";

/** What an administrator looks at and changes: the database of one relay, or that which the relays of a cluster share. */
export interface Place extends AsyncDisposable {
  /** As people are told of it; without a password. */
  readonly name: string;
  /** @param reserveBytes What a relay keeps of its disk. */
  check(reserveBytes: number): Promise<Checked>;
  stats(): Promise<Stats>;
  /** The newest lines, oldest first. */
  audit(last: number, only: AuditLine["kind"] | undefined): Promise<AuditLine[]>;
  /** In the order of their names; `more` counts those beyond the limit. */
  users(prefix: string, limit: number): Promise<{ users: User[]; more: number }>;
  /** All that is known of an account but its keys; undefined if there is none. */
  user(name: string): Promise<UserDetails | undefined>;
  /** Oldest first. */
  invites(): Promise<Invite[]>;
  /** Has the relays do something, or does it here. */
  perform(deed: Deed): Promise<DeedDone["outcome"]>;
}
