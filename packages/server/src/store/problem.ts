/** What a check has found to be wrong. */
export interface Problem {
  /** A stable word. */
  problem: string;
  /** Rows or files that are concerned. */
  count: number;
  about: string;
}
