/** Acceptance suites for those who write a part of their own: run each case with any test runner. */
import { recordCases } from "./store-records.ts";
import { sharingCases } from "./store-sharing.ts";
import type { ClientStoreCase } from "./store-case.ts";

export type { ClientStoreCase, OpenedStore } from "./store-case.ts";

/** What every `ClientStore` does. The caller closes what `open` and `again` gave. */
export const clientStoreCases: readonly ClientStoreCase[] = [...recordCases, ...sharingCases];
