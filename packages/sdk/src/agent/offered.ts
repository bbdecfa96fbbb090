/** What a message says of one of its files, and what its sender hears of it. */
import { AgentError } from "../errors.ts";
import { type Fetchable, UnfetchedError } from "../files/fetch.ts";
import { safeName } from "../files/names.ts";
import type { InFileRecord } from "../records/file-records.ts";
import type { InboxRecord } from "../records/tables.ts";
import { noLonger, tooLarge } from "./file-errors.ts";

/** Of larger ones somebody has to say that they are wanted. Bytes. */
const MOST_BYTES = 2 ** 30;

type Offered = NonNullable<InboxRecord["files"]>[number];

/** What is said of a file. @throws AgentError file_failed (no_file) */
export function offered({ files = [] }: InboxRecord, index: number): Offered {
  const offer = files[index];
  if (offer === undefined) throw new AgentError("file_failed", "the message has no such file", { reason: "no_file" });
  return offer;
}

/** How a file can be fetched. @throws AgentError file_failed (file_gone, file_expired); UnfetchedError: its sender was told, and says by another offer where it lies then */
export function fetchable({ key, token, ...offer }: Offered, known: InFileRecord | undefined): Fetchable {
  if (key === undefined || token === undefined) throw noLonger(safeName(offer.name), known?.path);
  if (known?.blob === offer.blob && known.unfetched !== undefined)
    throw new UnfetchedError(known.unfetched, safeName(offer.name));
  return { ...offer, key, token };
}

/** @throws AgentError file_failed (too_large) */
export function refuseLarge({ name, bytes }: Offered, maxBytes = MOST_BYTES): void {
  if (bytes > maxBytes) throw tooLarge(name, { bytes, maxBytes });
}
