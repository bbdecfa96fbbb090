/** Bugs that can be planted, to see whether they are found. */
export const bugs = ["ack-before-commit", "no-dedup", "reused-seq"] as const;
export type Bug = (typeof bugs)[number];
