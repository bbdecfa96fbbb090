/** Bugs that can be planted in the relays, or in how the engine is run, to see whether they are found. */
export const bugs = ["before", "lock", "fence", "async"] as const;
export type Bug = (typeof bugs)[number];
