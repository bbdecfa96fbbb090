import type { Turns } from "../turns.ts";
import type { Findings } from "./relay-log.ts";
import type { Relay } from "./relay.ts";

/** What agents send to: one relay with a folder, or several over one PostgreSQL, behind a balancer. */
export interface Relays {
  readonly all: readonly Relay[];
  /** Where agents connect. */
  readonly port: number;
  /** Whether a relay has a disk of its own, which can fail. */
  readonly haveDisks: boolean;
  /** What has to be finished before nothing is being killed or started. */
  readonly turns: readonly Turns[];
  /** Rows of what is stored, which both kinds of tables understand. */
  ask<R>(sql: string): Promise<R[]>;
  /** Ids of all messages that are stored. Of one relay: it must have ended. */
  stored(): Promise<Set<string>>;
  /** Whether what was done to a relay explains that it has ended with this code. */
  explains(relay: Relay, code: number | null): boolean;
  /** Ends all faults. */
  lift(): void;
  /** What is wrong with what they have stored and said, after their end. */
  findings(): Promise<Findings>;
  /** Ends what is not a relay. */
  end(): Promise<void>;
}

/** Ids of messages, of which a sending that is made again has a number behind it. */
export function idsOf(rows: { id: string }[]): Set<string> {
  return new Set(rows.map(({ id }) => id.replace(/--\d+$/, "")));
}

export const STORED = "SELECT message_id AS id FROM entries";
