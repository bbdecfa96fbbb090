/** Changes of groups as they are made, by whomever. */
import { followRows } from "../records/follow.ts";
import { readable } from "../records/records.ts";
import { nameOfTeam } from "../records/team-names.ts";
import type { TeamNewsRecord } from "../records/team-records.ts";
import type { ClientStore } from "../store/store.ts";

/** Names are in lower case; this agent's own among them. */
export interface GroupChange {
  /** As it is called here now. */
  group: string;
  /** Who has made it; of what nobody has signed it is not known. */
  by: string | undefined;
  /** Our clock, Unix milliseconds. */
  at: number;
  added: string[];
  /** By somebody else, and by their own wish. */
  removed: string[];
  left: string[];
  /** Admins from now on, and not any more. */
  promoted: string[];
  demoted: string[];
  /** What it was called by all before. */
  before: string | undefined;
}

export function followGroupChanges(store: ClientStore, listener: (change: GroupChange) => void): () => void {
  return followRows(
    store,
    "team-news/",
    async (tx, value) => {
      const news = readable(value) as TeamNewsRecord | undefined;
      if (news === undefined) return undefined;
      const { key, by, at, before, ...names } = news;
      const { added = [], removed = [], left = [], promoted = [], demoted = [] } = names;
      const group = (await nameOfTeam(tx, key)) ?? "";
      return { group, by, at, added, removed, left, promoted, demoted, before };
    },
    listener,
  );
}
