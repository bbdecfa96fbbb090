/** Where files of a message lie now that could not be fetched before. */
import type { Content, Offer } from "../crypto/content.ts";
import { fromUtf8 } from "../protocol/index.ts";
import { fileKey } from "../records/files.ts";
import { oweFile } from "../records/owed.ts";
import { find, pad, put } from "../records/records.ts";
import type { InboxRecord } from "../records/tables.ts";
import type { Turn } from "../turn/turn.ts";

import * as z from "zod/mini";

/** The body of an offer: the places in their message that its files take. */
const Places = z.object({ places: z.array(z.int().check(z.nonnegative())) });
/** The cost of an offer that is none: ms of an ordinary core. See `Waste`. */
const MALFORMED = 2;

/** What is said of files takes the place of what was said of them before. Of a message that is not here it says nothing. */
export async function takeOffers(turn: Turn, whose: Whose, { header, body, files = [] }: Content): Promise<void> {
  const { from } = whose;
  const places = placesIn(body);
  if (places?.length !== files.length) return turn.wasted(from, MALFORMED);
  const seq = await turn.tx.get(`seen/${from}/${header.id}`);
  if (seq === undefined) return;
  await replaceOffers(turn, whose, Number(seq), {
    offers: new Map(places.map((place, index) => [place, files[index]!])),
    isWhole: false,
  });
}

/** A message came once more, whose files may lie elsewhere by now. */
export async function repeatOffers(turn: Turn, whose: Whose, seq: number, files: Offer[]): Promise<void> {
  await replaceOffers(turn, whose, seq, { offers: new Map(files.entries()), isWhole: true });
}

interface Whose {
  from: string;
  identityKey: string;
}

interface Offered {
  /** By their places in their message. */
  offers: Map<number, Offer>;
  /** They are all that it has. */
  isWhole: boolean;
}

async function replaceOffers(
  turn: Turn,
  { from, identityKey }: Whose,
  seq: number,
  { offers, isWhole }: Offered,
): Promise<void> {
  const { tx } = turn;
  // It is in the inbox, or waits for the owner's word.
  for (const [table, key] of [
    ["in/", pad(seq)],
    ["held/", `consent/${from}/${pad(seq)}`],
    ["held/", `guard/${from}/${pad(seq)}`],
  ] as const) {
    const row: InboxRecord | undefined = await find(tx, table, key);
    if (row?.files === undefined || (isWhole && offers.size !== row.files.length)) continue;
    // In a group somebody else may go by the name of whoever has sent it.
    if (row.identity_key !== undefined && row.identity_key !== identityKey) continue;
    const files = [...row.files];
    for (const [place, offer] of offers) {
      const known = files[place];
      // Another file is another message: somebody may have been shown this one.
      if (known === undefined || !isSame(known, offer)) continue;
      // One that is here already is not fetched again: its sender did not hear of it.
      const { blob, token, key: secret, expires_at } = offer;
      if (await isHere(turn, row, place)) await oweFile(tx, row, { index: place });
      else if (known.blob !== blob) files[place] = { ...known, blob, token, key: secret, expires_at };
    }
    await put(tx, table, key, { ...row, files });
  }
}

function isSame(known: Pick<Offer, "bytes" | "sha256">, { bytes, sha256 }: Offer): boolean {
  return known.bytes === bytes && known.sha256 === sha256;
}

async function isHere(turn: Turn, { seq }: InboxRecord, index: number): Promise<boolean> {
  return (await find(turn.tx, "in-file/", fileKey({ seq, index })))?.path !== undefined;
}

function placesIn(body: Uint8Array): number[] | undefined {
  try {
    const parsed = Places.safeParse(JSON.parse(fromUtf8(body) ?? ""));
    return parsed.success ? parsed.data.places : undefined;
  } catch {
    return undefined;
  }
}
